"""The command line: a client of the two HTTP APIs, and the starter of `serve` and the router.

One module per noun. Modules import nothing heavy at their top, because `shardhouse router` and
`--help` must be quick; each command imports what it needs. Holds no rules of the service.
"""
