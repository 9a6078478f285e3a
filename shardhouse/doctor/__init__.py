"""What the machine of an installation lacks, for the command line and the API alike; `checks` lists
all that is looked at."""
