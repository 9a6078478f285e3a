"""The way to the shards: `rules` says what may travel, `encoder` writes it, `connection` and `pool`
carry it, `client` finds the node and reads the answer.

Nothing outside `encoder` can make an `Encoded`, and a connection sends nothing else.
"""
