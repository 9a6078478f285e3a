"""All tables of the store on one MetaData: what migrations are generated from."""

from shardhouse.store import tables
from shardhouse.store.iam import tables as iam_tables
from shardhouse.store.metadata import METADATA

__all__ = ["METADATA", "iam_tables", "tables"]
