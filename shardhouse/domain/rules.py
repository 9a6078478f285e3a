"""Rules for single fields of requests: each takes what came and gives the plain value, or raises
the API's error naming the field and what is allowed.

Source: OTC DDS API reference and the models of the official SDK. Numbers are accepted as JSON
numbers and as strings, because clients send both; `null` counts as absent.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import time
from typing import Any

from shardhouse.domain.model import BackupStrategy
from shardhouse.errors import DdsError, bad_parameter

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{3,63}")
_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_TAG_KEY = re.compile(r"[A-Za-z0-9_\u4e00-\u9fff-]{1,36}")
_TAG_VALUE = re.compile(r"[A-Za-z0-9_.\u4e00-\u9fff-]{0,43}")
SPECIAL_CHARACTERS = "~!@#%^*-_=+?"
_PASSWORD_CLASSES = {
    "an upper-case letter": re.compile(r"[A-Z]"),
    "a lower-case letter": re.compile(r"[a-z]"),
    "a digit": re.compile(r"[0-9]"),
    f"one of {SPECIAL_CHARACTERS}": re.compile(f"[{re.escape(SPECIAL_CHARACTERS)}]"),
}
_PASSWORD_CHARACTERS = re.compile(f"[A-Za-z0-9{re.escape(SPECIAL_CHARACTERS)}]*")
_PORTS = (27017, 27018, 27019)
_MAX_TAGS = 20
_MAX_TEXT = 64
_MAX_KEEP_DAYS = 732
_INTEGER = re.compile(r"-?\d{1,18}")


def shown(value: object) -> str:
    """What came, for an error message: short, and never a container's content."""
    if isinstance(value, str):
        return f'"{value[:64]}"' + ("..." if len(value) > 64 else "")
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "nothing"}[value]
    if isinstance(value, int | float):
        return str(value)
    return "an object" if isinstance(value, Mapping) else "a list"


def text(field: str, value: object, code: str = "DBS.200001") -> str:
    """A string of 1 to 64 characters."""
    if not isinstance(value, str) or not value:
        raise bad_parameter(field, f"a non-empty string is required, got {shown(value)}", code)
    if len(value) > _MAX_TEXT:
        raise bad_parameter(
            field, f"at most {_MAX_TEXT} characters are allowed, got {len(value)}", "DBS.280271"
        )
    return value


def integer(field: str, value: object, code: str = "DBS.200001") -> int:
    """A whole number, as a JSON number or in a string."""
    if isinstance(value, bool) or not isinstance(value, int | str | float):
        raise bad_parameter(field, f"an integer is required, got {shown(value)}", code)
    if isinstance(value, float) and not value.is_integer():
        raise bad_parameter(field, f"an integer is required, got {shown(value)}", code)
    if isinstance(value, str) and not _INTEGER.fullmatch(value.strip()):
        raise bad_parameter(field, f"an integer is required, got {shown(value)}", code)
    return int(value)


def mapping(field: str, value: object, code: str = "DBS.200001") -> dict[str, Any]:
    """A JSON object; keys whose value is `null` are left out."""
    if not isinstance(value, Mapping):
        raise bad_parameter(field, f"an object is required, got {shown(value)}", code)
    return {key: item for key, item in value.items() if item is not None}


def sequence(field: str, value: object, code: str = "DBS.200001") -> list[Any]:
    """A JSON array."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise bad_parameter(field, f"a list is required, got {shown(value)}", code)
    return list(value)


def instance_name(value: object, field: str = "name") -> str:
    """4 to 64 letters, digits, `-`, `_`, a letter first; names may repeat."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise bad_parameter(
            field,
            "4 to 64 characters are required, letters, digits, hyphens and underscores, "
            f"beginning with a letter; got {shown(value)}",
            "DBS.280234",
        )
    return value


def uuid(field: str, value: object, code: str) -> str:
    """An id in UUID form (with or without hyphens), as the cloud's network services give them."""
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise bad_parameter(field, f"an id in UUID form is required, got {shown(value)}", code)
    return value


def database_port(value: object) -> int:
    """2100 to 9500, 27017, 27018 or 27019."""
    port = integer("port", value, "DBS.200059")
    if not 2100 <= port <= 9500 and port not in _PORTS:
        raise bad_parameter(
            "port", f"2100 to 9500, 27017, 27018 or 27019 is allowed, got {port}", "DBS.200060"
        )
    return port


def database_password(value: object, field: str = "password") -> str:
    """8 to 32 characters with all four classes. The message never repeats the password."""
    if not isinstance(value, str):
        raise bad_parameter(field, f"a string is required, got {shown(value)}", "DBS.200052")
    if not _PASSWORD_CHARACTERS.fullmatch(value):
        raise bad_parameter(
            field,
            f"only letters, digits and {SPECIAL_CHARACTERS} are allowed",
            "DBS.280200",
        )
    if not 8 <= len(value) <= 32:
        raise bad_parameter(
            field, f"8 to 32 characters are required, got {len(value)}", "DBS.200052"
        )
    missing = [name for name, pattern in _PASSWORD_CLASSES.items() if not pattern.search(value)]
    if missing:
        raise bad_parameter(field, f"it lacks {' and '.join(missing)}", "DBS.200068")
    return value


def tls_option(value: object) -> bool:
    """`ssl_option`: "1" on, "0" off."""
    if isinstance(value, bool) or str(value) not in ("0", "1"):
        raise bad_parameter(
            "ssl_option", f'"0" (off) or "1" (on) is allowed, got {shown(value)}', "DBS.239011"
        )
    return str(value) == "1"


def backup_strategy(value: object) -> BackupStrategy:
    """Window of exactly one hour starting at a quarter, and days to keep (0 to 732).

    Newer OTC text allows full hours only; its own example starts at 08:15, which Huawei documents
    as legal, so quarters are accepted in both dialects.
    """
    given = mapping("backup_strategy", value)
    start_time = given.get("start_time")
    if start_time is None:
        raise bad_parameter("backup_strategy.start_time", "it is required", "DBS.280216")
    days = integer(
        "backup_strategy.keep_days",
        given.get("keep_days", BackupStrategy.keep_days),
        "DBS.280214",
    )
    if not 0 <= days <= _MAX_KEEP_DAYS:
        raise bad_parameter(
            "backup_strategy.keep_days", f"0 to 732 is allowed, got {days}", "DBS.280214"
        )
    return BackupStrategy(backup_window("backup_strategy.start_time", start_time), days)


def backup_window(field: str, value: object) -> str:
    """`hh:mm-HH:MM`, one hour long, minutes 00, 15, 30 or 45 (23:00-00:00 is legal)."""
    match = _WINDOW.fullmatch(value) if isinstance(value, str) else None
    if match:
        start = time(int(match[1]), int(match[2]))
        end = time(int(match[3]), int(match[4]))
        one_hour = end.hour == (start.hour + 1) % 24 and end.minute == start.minute
        if one_hour and start.minute % 15 == 0:
            return str(value)
    raise bad_parameter(
        field,
        "hh:mm-HH:MM (UTC) of exactly one hour is required, minutes 00, 15, 30 or 45; "
        f"got {shown(value)}",
        "DBS.280216",
    )


def tags(value: object) -> tuple[tuple[str, str], ...]:
    """At most 20 tags with different keys."""
    pairs: dict[str, str] = {}
    items = sequence("tags", value)
    if len(items) > _MAX_TAGS:
        raise bad_parameter("tags", f"at most 20 are allowed, got {len(items)}", "DBS.280484")
    for index, item in enumerate(items):
        entry = mapping(f"tags[{index}]", item, "DBS.280482")
        key, tag_value = entry.get("key"), entry.get("value", "")
        if not isinstance(key, str) or not _TAG_KEY.fullmatch(key):
            raise bad_parameter(
                f"tags[{index}].key",
                "1 to 36 letters, digits, hyphens, underscores or Chinese characters are "
                f"required, got {shown(key)}",
                "DBS.280482",
            )
        if not isinstance(tag_value, str) or not _TAG_VALUE.fullmatch(tag_value):
            raise bad_parameter(
                f"tags[{index}].value",
                "0 to 43 letters, digits, hyphens, underscores, dots or Chinese characters are "
                f"allowed, got {shown(tag_value)}",
                "DBS.280483",
            )
        if key in pairs:
            raise bad_parameter(f"tags[{index}].key", f'"{key}" comes twice', "DBS.280482")
        pairs[key] = tag_value
    return tuple(pairs.items())


def page(offset: object, limit: object, *, default: int = 100) -> tuple[int, int]:
    """Offset from 0 and limit 1 to 100."""
    start = integer("offset", 0 if offset is None else offset, "DBS.280440")
    size = integer("limit", default if limit is None else limit, "DBS.280439")
    if start < 0:
        raise bad_parameter("offset", f"0 or more is allowed, got {start}", "DBS.280440")
    if not 1 <= size <= 100:
        raise bad_parameter("limit", f"1 to 100 is allowed, got {size}", "DBS.280439")
    return start, size


def tag_filter(value: str) -> tuple[tuple[str, str], ...]:
    """`k=v,k2=v2` of the list call: all must match; an empty value matches the empty value."""
    pairs = []
    for part in value.split(","):
        key, _, tag_value = part.partition("=")
        if not key:
            raise bad_parameter("tags", f"key=value is required, got {shown(part)}", "DBS.280441")
        pairs.append((key, tag_value))
    if len(pairs) > _MAX_TAGS:
        raise bad_parameter("tags", f"at most 20 are allowed, got {len(pairs)}", "DBS.280441")
    return tuple(pairs)


def one_of(field: str, value: object, allowed: Sequence[str], code: str) -> str:
    """One of a few words."""
    if not isinstance(value, str) or value not in allowed:
        raise bad_parameter(
            field, f"one of {', '.join(allowed)} is required, got {shown(value)}", code
        )
    return value


def not_available(field: str, why: str, code: str = "DBS.200004") -> DdsError:
    """A documented field that this service cannot act on: refused rather than dropped."""
    return bad_parameter(field, why, code)
