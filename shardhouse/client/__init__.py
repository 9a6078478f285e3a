"""The HTTP client of the command line and the console: IAM and DDS, as one user in one project."""
