"""The local driver: nodes are detached processes of this machine, each on its own address.

Does I/O: processes, folders, sockets. A node's process lives in its own session and outlives ours;
it is recognised by pid, creation time and command line, and adopted rather than started twice.
"""

from shardhouse.nodes.local.driver import LocalRuntime

__all__ = ["LocalRuntime"]
