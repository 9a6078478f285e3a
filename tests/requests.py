"""Create requests the tests start from: valid as they are, to be changed in one place."""

from typing import Any

#: Documented example of a cluster: `keep_days` is text, the window starts at a quarter. It is not
#: backed up by itself, which the example is: that has tests of its own.
CLUSTER: dict[str, Any] = {
    "name": "test-cluster",
    "datastore": {"type": "DDS-Community", "version": "3.4", "storage_engine": "wiredTiger"},
    "region": "aaa",
    "availability_zone": "bbb",
    "vpc_id": "674e9b42-cd8d-4d25-a2e6-5abcc565b961",
    "subnet_id": "f1df08c5-71d1-406a-aff0-de435a51007b",
    "security_group_id": "7aa51dbf-5b63-40db-9724-dad3c4828b58",
    "password": "Test@123",
    "disk_encryption_id": "d4825f1b-5e47-4ff7-8ca9-0960da1770b1",
    "mode": "Sharding",
    "flavor": [
        {"type": "mongos", "num": 2, "spec_code": "dds.mongodb.s2.medium.4.mongos"},
        {
            "type": "shard",
            "num": 2,
            "storage": "ULTRAHIGH",
            "size": 20,
            "spec_code": "dds.mongodb.s2.medium.4.shard",
        },
        {
            "type": "config",
            "num": 1,
            "storage": "ULTRAHIGH",
            "size": 20,
            "spec_code": "dds.mongodb.s2.large.2.config",
        },
    ],
    "backup_strategy": {"start_time": "08:15-09:15", "keep_days": "0"},
}


def cluster(**changes: Any) -> dict[str, Any]:
    """The cluster request with some fields changed."""
    return CLUSTER | changes


def replica_set(**changes: Any) -> dict[str, Any]:
    """A replica set of three."""
    flavor = {
        "type": "replica",
        "num": 3,
        "storage": "ULTRAHIGH",
        "size": 20,
        "spec_code": "dds.mongodb.s2.medium.4.repset",
    }
    return CLUSTER | {"name": "test-replica", "mode": "ReplicaSet", "flavor": [flavor]} | changes


def single(**changes: Any) -> dict[str, Any]:
    """A single node."""
    flavor = {
        "type": "single",
        "num": 1,
        "storage": "ULTRAHIGH",
        "size": 20,
        "spec_code": "dds.mongodb.s2.medium.4.single",
    }
    return CLUSTER | {"name": "test-single", "mode": "Single", "flavor": [flavor]} | changes
