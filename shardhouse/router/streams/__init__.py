"""Change streams over all shards: each shard's stream is read by itself, and merged here.

`tokens` and `merge` decide on plain data; `stream` holds the shards' cursors and does the I/O. A
cluster command cannot do it: an idle change stream under one ends the shard's process.
"""
