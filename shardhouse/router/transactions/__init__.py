"""Multi-document transactions as a router sees them. Pure: no I/O, only decisions.

`transaction` remembers which shards take part and what each must be told, `registry` finds a
session's transaction, `plan` decides how to commit, `labels` what a driver is told of an error,
`merging` how a read is divided between shards. The effects are in `commands.transactions`.
"""
