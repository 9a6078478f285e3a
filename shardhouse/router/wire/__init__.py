"""Bytes to messages and back: framing, compression, raw BSON. Pure, no I/O, knows no command."""
