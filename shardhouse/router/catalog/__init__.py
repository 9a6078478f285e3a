"""Where data lives: routing tables, their versions, and which shard a statement belongs to.

`values`, `chunks`, `versions` and `targeting` decide on plain data; `cache` loads the data through
a reader it is given.
"""
