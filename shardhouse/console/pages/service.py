"""What the service says of itself, and what holds for a project."""

from shardhouse.console.attempts import attempt
from shardhouse.console.session import PATH
from shardhouse.console.visit import Answer, Moved, Page, Visit
from shardhouse.contract.backups import CLOSE, OPEN, SAVE_DOWNLOAD_POLICY, SHOW_DOWNLOAD_POLICY
from shardhouse.contract.doctor import CHECK_SERVICE
from shardhouse.contract.instances import DATASTORE
from shardhouse.contract.offers import (
    LIST_API_VERSIONS,
    LIST_DATASTORE_VERSIONS,
    LIST_STORAGE_TYPES,
)


def shown(visit: Visit) -> Answer:
    """Versions, builds, addresses, storage; whether backups may be downloaded."""
    client = visit.client
    datastore = {"datastore_name": DATASTORE}
    password = f"v3/domains/{client.domain_id}/config/security_compliance"
    parts = {
        "apis": attempt(lambda: client.call(LIST_API_VERSIONS, {}, {}, {})["versions"], []),
        "builds": attempt(
            lambda: client.call(LIST_DATASTORE_VERSIONS, datastore, {}, {})["builds"], []
        ),
        "storage": attempt(lambda: client.call(LIST_STORAGE_TYPES, {}, {}, {})["storage_type"], []),
        "services": attempt(lambda: client.iam("GET", "v3/auth/catalog")["catalog"], []),
        "scales": attempt(lambda: sorted({one["memory_scale"] for one in client.instances()}), []),
        "passwords": attempt(
            lambda: client.iam("GET", password)["config"]["security_compliance"], {}
        ),
        "downloads": attempt(lambda: client.call(SHOW_DOWNLOAD_POLICY, {}, {}, {})["action"], ""),
        "actions": {"open": OPEN, "close": CLOSE},
        "region": client.region,
    }
    return Page("settings.html", "Settings", parts)


def checked(visit: Visit) -> Answer:
    """What the service's machine lacks, looked at now."""
    checks = visit.client.call(CHECK_SERVICE, {}, {}, {})["checks"]
    return Page("doctor.html", "Doctor", {"checks": checks})


def downloads_set(visit: Visit) -> Answer:
    """Backups of the project may be downloaded from now on, or may not."""
    action = visit.form.get("action", "")
    visit.client.call(SAVE_DOWNLOAD_POLICY, {}, {"action": action}, {})
    words = "may be downloaded" if action == OPEN else "may not be downloaded"
    return Moved(f"{PATH}/settings", f"Backups of the project {words}.")
