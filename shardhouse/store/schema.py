"""All tables of the store on one MetaData: what migrations are generated from."""

from shardhouse.store import tables
from shardhouse.store.iam import tables as iam_tables
from shardhouse.store.metadata import METADATA
from shardhouse.store.neighbours import tables as neighbour_tables

__all__ = ["METADATA", "iam_tables", "neighbour_tables", "tables"]
