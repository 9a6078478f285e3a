"""Cloud Eye (CES), for database instances: metrics and their values, alarm rules and their
histories, events; of version 2 what reads alarm rules."""
