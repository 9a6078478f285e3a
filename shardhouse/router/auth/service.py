"""The login of whoever has the key file, as members have it at each other: `__system` on `local`.

It is for a router's own settings, numbers and caches and nothing else: the cluster's data and users
are beyond it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from shardhouse.router.auth.privileges import Privileges
from shardhouse.router.auth.scram import Credential
from shardhouse.router.auth.users import User, impersonation

NAME = "__system"
DATABASE = "local"
_MECHANISM = "SCRAM-SHA-256"
PRIVILEGES: tuple[Mapping[str, Any], ...] = (
    {
        "resource": {"cluster": True},
        "actions": [
            *("getCmdLineOpts", "getParameter", "invalidateUserCache"),
            *("serverStatus", "setParameter"),
        ],
    },
    {"resource": {"db": "admin", "collection": ""}, "actions": ["enableProfiler"]},
)


def user(key: bytes) -> User:
    """This user, whose password is the key."""
    credential = Credential.of_password(key, _MECHANISM, os.urandom(28))
    return User(
        name=NAME,
        database=DATABASE,
        id=None,
        roles=(),
        granted=PRIVILEGES,
        privileges=Privileges(PRIVILEGES),
        restrictions=(),
        impersonation=impersonation({"user": NAME, "db": DATABASE}),
        credentials={_MECHANISM: credential},
    )
