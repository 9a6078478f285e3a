"""Backups: where they are kept, how they are written, and what they hold."""
