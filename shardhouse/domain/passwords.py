"""Which passwords are easy to guess."""

import re
from itertools import pairwise

from shardhouse.domain import rules
from shardhouse.errors import DdsError

#: What stands behind most passwords that people make up for a database.
_COMMON = (
    *("abc", "access", "admin", "administrator", "asdf", "changeme", "database", "default"),
    *("dds", "guest", "hello", "huawei", "iloveyou", "letmein", "login", "master", "mongo"),
    *("mongodb", "monkey", "passw", "passwd", "password", "pwd", "qaz", "qazwsx", "qwer"),
    *("qwerty", "root", "rwuser", "secret", "server", "shardhouse", "superuser", "temp", "test"),
    *("user", "welcome", "zaq"),
)
_DISGUISES = str.maketrans("@4031!5$7", "aaoeiisst")
_LONGEST_RUN = 4
"""Characters that may follow one another, as in `1234`, `dcba` or `aaaa`, one fewer than are
weak."""


def is_weak(password: str) -> bool:
    """Whether a password breaks the rules of new ones, is a common word with figures around it, or
    holds four characters in a row."""
    try:
        rules.database_password(password)
    except DdsError:
        return True
    lower = password.lower()
    core = re.sub("^[^a-z]+|[^a-z]+$", "", lower)
    texts = (lower, lower.translate(_DISGUISES), core.translate(_DISGUISES))
    plain = {re.sub("[^a-z]", "", text) for text in texts}
    return not plain.isdisjoint(_COMMON) or _has_run(lower)


def _has_run(text: str) -> bool:
    steps = [ord(after) - ord(before) for before, after in pairwise(text)]
    return any(
        len(set(steps[start : start + _LONGEST_RUN - 1])) == 1 and steps[start] in (-1, 0, 1)
        for start in range(len(steps) - _LONGEST_RUN + 2)
    )
