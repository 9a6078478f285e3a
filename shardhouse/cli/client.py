"""The client that commands use."""

from pathlib import Path

from shardhouse.cli import credentials
from shardhouse.client.api import TIMEOUT, Client


def connect(data_dir: Path | None, timeout: float = TIMEOUT) -> Client:
    """A client with the credentials of `credentials.find`; each answer takes at most `timeout`
    seconds."""
    return Client(credentials.find(data_dir), timeout=timeout)
