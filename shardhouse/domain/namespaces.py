"""Namespaces: a database, or a collection as `database.collection`."""


def covers(wider: str, namespace: str) -> bool:
    """Whether a namespace is `wider`, or in it."""
    return namespace == wider or namespace.startswith(f"{wider}.")
