"""What one connection may cost. Documents know none of these but the status of their refusal."""

HEAD_BYTES = 64 * 1024
"""Request line and headers together; the largest tokens of the cloud are some kilobytes."""
HEADERS = 200
PIPELINED = 16
"""Requests sent ahead of the answers to earlier ones; clients in use send none."""
REQUEST_SECONDS = 10.0
"""For a TLS handshake, and then for a request's head, counted from its first byte (or from the
connection's start)."""
BODY_BYTES = 64 * 1024
"""What must arrive of a body within every `REQUEST_SECONDS`, unless it ends."""
UNREAD_SECONDS = 30.0
"""How long a client may leave an answer unread."""
DISCARDED_BYTES = 16 * 1024**2
"""What is read and thrown away of a body that was refused, so that its sender reads the answer."""
LINGER_SECONDS = 2.0
LINGER_BYTES = 1024**2
"""How long, and how much, a refused client is listened to (and ignored), for the same reason."""
