"""The query router: a thin `mongos` in asyncio, its own program, importing nothing else of ours.

What lives here: the wire protocol towards drivers (`wire`), who a client is and what it may do
(`auth`), where data is (`catalog`), which node leads each replica set (`topology`), the only way to
speak to a shard (`upstream`), and one module per family of commands (`commands`).

What does not: query planning and merging. What one shard can answer goes straight to it, with the
routing versions attached; everything else is handed to a shard's own cluster commands.

I/O happens in `server`, `upstream`, `topology.monitor` and `main`; everything else decides on
plain data. Five things a client could ask for would crash or leak in a shard; `upstream.encoder`,
the only writer to shard sockets, refuses to encode them.
"""

MONGODB_VERSION = "6.0.5"
"""The engine whose protocol is spoken, and whose internal commands are relied upon."""
