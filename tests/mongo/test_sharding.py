"""Shards of a cluster of real mongods, added on the config servers without a router."""

import pytest

from shardhouse.errors import MongoError
from shardhouse.mongo import administrator, replica_set, sharding
from shardhouse.mongo.commandline import Member
from shardhouse.mongo.replica_set import SetPlan
from shardhouse.mongo.wait import Deadline


def test_shards_are_added_once_and_users_live_on_the_config_servers(lab, clients):
    config = lab.start("config", 1, Member.CONFIG)
    shard = lab.start("shard_1", 1, Member.SHARD)
    for plan in (config, shard):
        replica_set.form(plan, clients, Deadline(40))
    for _ in range(2):
        sharding.add_shards(config.hosts, [shard], clients, Deadline(40))
    listed = sharding.list_shards(config.hosts, clients, Deadline(5))
    assert listed == {"shard_1": shard.hosts}

    administrator.ensure(config.hosts, "Test@123", clients, Deadline(20))
    assert clients[config.hosts[0]].admin.command("usersInfo", "rwuser")["users"]
    assert not clients[shard.hosts[0]].admin.command("usersInfo", "rwuser")["users"]

    taken = SetPlan("shard_1", ("127.81.9.9:18635",))
    with pytest.raises(MongoError, match="use another name"):
        sharding.add_shards(config.hosts, [taken], clients, Deadline(5))
