"""Cloud Eye (CES) v1, for database instances: metrics and their values, alarm rules."""
