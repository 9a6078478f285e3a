"""Where the two documented APIs, OTC's and Huawei's, contradict each other: one record of each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Dialect:
    """What one of the two accepts and offers.

    `max_nodes` bounds routers and shards of a cluster, `tag_extras` are characters of tags' keys
    and values beside those that both accept. With `full_hours` maintenance windows begin and end at
    full hours. With `all_flavors` every series and the flavors of read replicas are offered; with
    `plain_engine_name` a version from 4.2 on may also be asked for as wiredTiger.
    """

    storage_types: tuple[str, ...]
    max_nodes: int
    replica_members: tuple[int, ...]
    tag_extras: tuple[str, str]
    full_hours: bool
    all_flavors: bool
    plain_engine_name: bool


DIALECTS = {
    "otc": Dialect(
        storage_types=("ULTRAHIGH",),
        max_nodes=32,
        replica_members=(1, 3),
        # The page for creation lacks the at sign, which that for changing the same tags has.
        tag_extras=("@", "@"),
        full_hours=False,
        all_flavors=False,
        plain_engine_name=False,
    ),
    "huawei": Dialect(
        storage_types=("ULTRAHIGH", "EXTREMEHIGH"),
        max_nodes=16,
        replica_members=(3, 5, 7),
        tag_extras=("", "."),
        full_hours=True,
        all_flavors=True,
        plain_engine_name=True,
    ),
}
"""By the word that the setting `dialect` has for it."""
