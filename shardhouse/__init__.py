"""Shardhouse: a self-hosted Document Database Service."""
