"""What a project may have: its quotas, and the versions and flavors that are offered."""

from shardhouse.console.attempts import attempt
from shardhouse.console.visit import Answer, Page, Visit
from shardhouse.contract.instances import DATASTORE
from shardhouse.contract.offers import LIST_DATASTORE_VERSIONS, LIST_FLAVORS, SHOW_QUOTAS


def shown(visit: Visit) -> Answer:
    """Quotas, versions, flavors."""
    region = {"region": visit.client.region}
    datastore = {"datastore_name": DATASTORE}
    parts = {
        "quotas": attempt(
            lambda: visit.client.call(SHOW_QUOTAS, {}, {}, {})["quotas"]["resources"], []
        ),
        "versions": attempt(
            lambda: visit.client.call(LIST_DATASTORE_VERSIONS, datastore, {}, {})["served_by"], {}
        ),
        "flavors": attempt(lambda: visit.client.call(LIST_FLAVORS, {}, {}, region)["flavors"], []),
    }
    return Page("quotas.html", "Quotas", parts)
