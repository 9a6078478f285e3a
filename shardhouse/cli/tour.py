"""The demo's tour: the HTTP calls and the database calls that users would make themselves.

Read it as an example. Nothing in here knows more than `admin.json` and the two APIs show.
"""

import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from shardhouse.cli import credentials, jobs, output, uris
from shardhouse.cli.output import CliError
from shardhouse.client.api import Client
from shardhouse.client.trust import trust

PASSWORD = "Test@123"  # noqa: S105 - the documented example's, for a database on loopback
REQUEST = {
    "name": "test-cluster",
    "datastore": {"type": "DDS-Community", "version": "3.4", "storage_engine": "wiredTiger"},
    "region": "aaa",
    "availability_zone": "bbb",
    "vpc_id": "674e9b42-cd8d-4d25-a2e6-5abcc565b961",
    "subnet_id": "f1df08c5-71d1-406a-aff0-de435a51007b",
    "security_group_id": "7aa51dbf-5b63-40db-9724-dad3c4828b58",
    "password": PASSWORD,
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
    "backup_strategy": {"start_time": "08:15-09:15", "keep_days": "8"},
}
READY_SECONDS = 120.0
ORDERS = 400
DATABASE = "demo"


class Tour:
    """One installation, as its administrator uses it."""

    def __init__(self, data_dir: Path) -> None:
        self.known = credentials.read_admin_file(data_dir)
        self._data_dir = data_dir
        self._client = Client(credentials.from_admin_file(self.known, data_dir))
        authority = trust(self.known.get("tls_authority"))
        self._http = httpx.Client(trust_env=False, timeout=60, verify=authority)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()
        self._client.__exit__(kind, error, trace)

    def cluster(self) -> dict[str, Any]:
        """The demo's cluster once it is `normal`: the one that is there, else a new one."""
        found = self._find()
        if found is None:
            created = self.create(self.token())
            output.note(f"POST /instances: 202, instance {created['id']}, job {created['job_id']}")
            jobs.finish(self._client, created["job_id"], quiet=False)
        else:
            output.note(f"The cluster {found['name']} is there already: {found['id']}")
        return self._ready()

    def token(self) -> str:
        """A token of our administrator, for our project."""
        user = {
            "name": self.known["user_name"],
            "password": self.known["password"],
            "domain": {"name": self.known["domain_name"]},
        }
        answer = self._http.post(
            f"{self.known['iam_endpoint']}/v3/auth/tokens",
            json={
                "auth": {
                    "identity": {"methods": ["password"], "password": {"user": user}},
                    "scope": {"project": {"id": self.known["project_id"]}},
                }
            },
        )
        answer.raise_for_status()
        return answer.headers["X-Subject-Token"]

    def create(self, token: str) -> dict[str, Any]:
        """Ask the DDS API for the cluster; it answers at once, with the id of a job."""
        answer = self._http.post(
            f"{self.known['dds_endpoint']}/v3/{self.known['project_id']}/instances",
            json=REQUEST,
            headers={"X-Auth-Token": token},
        )
        if answer.status_code != httpx.codes.ACCEPTED:
            raise CliError(f"POST /instances: {answer.status_code} {answer.text}")
        created: dict[str, Any] = answer.json()
        return created

    def address(self, instance: dict[str, Any], password: str | None) -> str:
        """The cluster's `mongodb://` address."""
        return uris.address(instance, self._data_dir, password)

    def use(self, instance: dict[str, Any]) -> list[str]:
        """Write and read through the cluster; what happened, in words."""
        try:
            with MongoClient[dict[str, Any]](self.address(instance, PASSWORD)) as mongo:
                return [self._documents(mongo), *self._sharded(mongo)]
        except PyMongoError as error:
            raise CliError(f"The cluster does not work: {error}") from None

    @staticmethod
    def _documents(mongo: MongoClient[dict[str, Any]]) -> str:
        """A few documents in an ordinary collection."""
        cities = mongo[DATABASE]["cities"]
        cities.drop()
        cities.insert_many([{"_id": name} for name in ("Bonn", "Lyon", "Oslo")])
        names = [city["_id"] for city in cities.find().sort("_id")]
        return f"Written and read: {', '.join(names)}"

    @staticmethod
    def _sharded(mongo: MongoClient[dict[str, Any]]) -> list[str]:
        """A collection that is spread over the shards by a hashed key."""
        orders = mongo[DATABASE]["orders"]
        orders.drop()
        mongo.admin.command("enableSharding", DATABASE)
        mongo.admin.command("shardCollection", orders.full_name, key={"_id": "hashed"})
        orders.insert_many([{"_id": number, "amount": number % 7} for number in range(ORDERS)])
        (total,) = orders.aggregate([{"$group": {"_id": None, "amount": {"$sum": "$amount"}}}])
        expected = sum(number % 7 for number in range(ORDERS))
        if total["amount"] != expected:
            raise CliError(f"The amounts sum up to {total['amount']} instead of {expected}.")
        spread = {
            shard["shard"]: shard["count"]
            for shard in orders.aggregate([{"$collStats": {"count": {}}}])
        }
        return [
            f"Sharded collection {orders.full_name}: {ORDERS} documents, sum {expected}",
            *(f"  {shard}: {count} documents" for shard, count in sorted(spread.items())),
        ]

    def _find(self) -> dict[str, Any] | None:
        """The newest instance of that name whose creation did not fail."""
        found = self._client.instances(name=str(REQUEST["name"]))
        return next((one for one in found if one["status"] != "createfail"), None)

    def _ready(self) -> dict[str, Any]:
        """The cluster when it is `normal`; after a restart that takes a few seconds."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            instance = self._find()
            if instance is None:
                raise CliError(f"The cluster {REQUEST['name']} is gone; somebody deleted it.")
            if instance["status"] == "normal":
                return instance
            if time.monotonic() > deadline:
                raise CliError(
                    f"The cluster {instance['id']} is {instance['status']}, and was not normal "
                    f"within {READY_SECONDS:.0f} s. `shardhouse instance show` shows which nodes."
                )
            time.sleep(0.2)
