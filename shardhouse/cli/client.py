"""The client that commands use."""

from pathlib import Path

from shardhouse.cli import credentials
from shardhouse.client.api import Client


def connect(data_dir: Path | None) -> Client:
    """A client with the credentials of `credentials.find`."""
    return Client(credentials.find(data_dir))
