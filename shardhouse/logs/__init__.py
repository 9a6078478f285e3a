"""What nodes write into their logs: found by time, read without loading whole files, masked."""
