"""Ports of public IPs that lead to nodes through NAT gateways.

The local driver passes connections on in this process, so they end with it and are accepted again
after its next start. The node listens where it did, and does not restart.
"""

from threading import Lock

from shardhouse.nodes.runtime import Endpoint
from shardhouse.workflows import processes
from shardhouse.workflows.context import Context


class Gateways:
    """Keeps what is passed on as the store says. Threads may share it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        # What was read last is also applied last.
        self._turn = Lock()

    def refresh(self) -> dict[Endpoint, str]:
        """Pass on what the store says, to where the nodes are now; why it is impossible, where it
        is."""
        with self._turn:
            rules = {
                Endpoint(node.gateway.address, node.gateway.port): Endpoint(node.address, node.port)
                for instance in processes.serving(self._context)
                for node in instance.nodes
                if node.gateway
            }
            return self._context.runtime.forward(rules)
