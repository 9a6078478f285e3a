"""What a cluster's administrator may do at a router beyond what the config servers grant it: zones,
the balancer and its window, listing all users.

As privileges on the config servers these would open `config` itself, past every check. So they hang
on a role by its name, and hold at routers alone.
"""

from collections.abc import Iterable, Mapping
from typing import Any

ROLE = {"role": "instanceAdministrator", "db": "admin"}
PRIVILEGES: tuple[Mapping[str, Any], ...] = (
    {
        "resource": {"cluster": True},
        "actions": ["enableSharding", "flushRouterConfig", "invalidateUserCache", "viewUser"],
    },
    {
        "resource": {"db": "config", "collection": "settings"},
        "actions": ["find", "insert", "update", "remove"],
    },
)


def privileges(roles: Iterable[Mapping[str, str]]) -> tuple[Mapping[str, Any], ...]:
    """What holders of `roles`, inherited ones included, may do besides their privileges."""
    return PRIVILEGES if any(dict(role) == ROLE for role in roles) else ()
