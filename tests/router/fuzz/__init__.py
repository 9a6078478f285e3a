"""Fuzzing a live router: frames, command documents, and the five hazards of a shard."""
