"""Rules for single fields of requests: each takes what came and gives the plain value, or raises
the API's error naming the field and what is allowed.

Source: OTC DDS API reference and the models of the official SDK. Numbers are accepted as JSON
numbers and as strings, because clients send both; `null` counts as absent.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from shardhouse import error_codes as codes
from shardhouse.domain.audit import ALL, AuditType
from shardhouse.domain.dialect import Dialect
from shardhouse.domain.model import BackupStrategy
from shardhouse.error_codes import ErrorCode
from shardhouse.errors import DdsError, bad_parameter

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{3,63}")
_SET_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{2,127}")
_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_TAG_CHARACTERS = r"A-Za-z0-9_\u4e00-\u9fff-"
_MAX_TAG_KEY = 36
_MAX_TAG_VALUE = 43
_WEEK = frozenset("1234567")
SPECIAL_CHARACTERS = "~!@#%^*-_=+?"
MEMBER_SPECIAL_CHARACTERS = SPECIAL_CHARACTERS + "()$"
"""Of the passwords of users of shards and config servers."""
_PASSWORD_CLASSES = {
    "an upper-case letter": "A-Z",
    "a lower-case letter": "a-z",
    "a digit": "0-9",
}
_PORTS = (27017, 27018, 27019)
MAX_TAGS = 20
_SHORTEST_PREFIX = 8
_MAX_TEXT = 64
_MAX_DESCRIPTION = 256
#: Bytes. MongoDB takes 235 of database and collection together where that is sharded.
_LONGEST_COLLECTION = 170
_LAST_MILLISECOND = 2**32 * 1000 - 1
"""MongoDB's times of the oplog count seconds in 32 bits."""
_MAX_KEEP_DAYS = 732
_MIN_AUDIT_DAYS = 7
_MAX_AUDIT_SCOPE = 1024
_NOT_IN_SCOPES = frozenset(" /\\':\"[]{}()\t\r\n")
_VERSION = re.compile(r"\d{1,2}\.\d{1,2}(\.\d{1,3})?")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_BLANK_ZONE = re.compile(r"(\d:\d\d(?:\.\d+)?) (\d\d:?\d\d)$", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,18}")
_USER = re.compile(r"[A-Za-z0-9._-]{1,64}")
_CONFIGURATION = _USER
_DATABASE = re.compile(r"[A-Za-z0-9_]{1,64}")
#: Databases of MongoDB itself.
SYSTEM_DATABASES = frozenset({"admin", "config", "local"})
_NAMESPACE = re.compile(r"""[^/\\.\s"$*<>:|?]{1,63}(\.[^\0]{1,255})?""")
_STAGE = re.compile(r"[A-Z][A-Z0-9_]{1,63}")
_SESSION = re.compile(r"([^:\s]{1,128}:)?\d{1,10}|conn\d{1,18}")
#: Users that only the service may change.
INTERNAL_USERS = frozenset({"root", "monitor", "backup", "drsFull", "drsIncremental", "__system"})
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_NOT_IN_REMARKS = frozenset(">!<\"&'=\r\n")


def shown(value: object) -> str:
    """What came, for an error message: short, and never a container's content."""
    if isinstance(value, str):
        return f'"{value[:64]}"' + ("..." if len(value) > 64 else "")
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "nothing"}[value]
    if isinstance(value, int | float):
        return str(value)
    return "an object" if isinstance(value, Mapping) else "a list"


def text(field: str, value: object, code: ErrorCode = codes.BAD_PARAMETER) -> str:
    """A string of 1 to 64 characters."""
    if not isinstance(value, str) or not value:
        raise bad_parameter(field, f"a non-empty string is required, got {shown(value)}", code)
    if len(value) > _MAX_TEXT:
        raise bad_parameter(
            field,
            f"at most {_MAX_TEXT} characters are allowed, got {len(value)}",
            codes.VALUE_TOO_LONG,
        )
    return value


def integer(field: str, value: object, code: ErrorCode = codes.BAD_PARAMETER) -> int:
    """A whole number, as a JSON number or in a string."""
    if isinstance(value, bool) or not isinstance(value, int | str | float):
        raise bad_parameter(field, f"an integer is required, got {shown(value)}", code)
    if isinstance(value, float) and not value.is_integer():
        raise bad_parameter(field, f"an integer is required, got {shown(value)}", code)
    if isinstance(value, str) and not _INTEGER.fullmatch(value.strip()):
        raise bad_parameter(field, f"an integer is required, got {shown(value)}", code)
    return int(value)


def within(field: str, value: object, low: int, high: int, code: ErrorCode) -> int:
    """A whole number from `low` to `high`."""
    number = integer(field, value, code)
    if not low <= number <= high:
        raise bad_parameter(field, f"{low} to {high} is allowed, got {number}", code)
    return number


def one_number(field: str, value: object, allowed: Sequence[int]) -> int:
    """One of a few whole numbers."""
    number = integer(field, value)
    if number not in allowed:
        words = ", ".join(map(str, allowed))
        raise bad_parameter(field, f"one of {words} is required, got {number}")
    return number


def few(field: str, value: object, most: int) -> list[Any]:
    """1 to `most` items."""
    items = sequence(field, value)
    if not 1 <= len(items) <= most:
        raise bad_parameter(field, f"1 to {most} items are required, got {len(items)}")
    return items


def flag(field: str, value: object, code: ErrorCode = codes.BAD_PARAMETER) -> bool:
    """A JSON boolean."""
    if not isinstance(value, bool):
        raise bad_parameter(field, f"true or false is required, got {shown(value)}", code)
    return value


def mapping(field: str, value: object, code: ErrorCode = codes.BAD_PARAMETER) -> dict[str, Any]:
    """A JSON object; keys whose value is `null` are left out."""
    if not isinstance(value, Mapping):
        raise bad_parameter(field, f"an object is required, got {shown(value)}", code)
    return {key: item for key, item in value.items() if item is not None}


def sequence(field: str, value: object, code: ErrorCode = codes.BAD_PARAMETER) -> list[Any]:
    """A JSON array."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise bad_parameter(field, f"a list is required, got {shown(value)}", code)
    return list(value)


def instance_name(value: object, field: str = "name") -> str:
    """4 to 64 letters, digits, `-`, `_`, a letter first; names may repeat."""
    return _name(field, value, codes.INSTANCE_NAME_INVALID)


def _name(field: str, value: object, code: ErrorCode) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise bad_parameter(
            field,
            "4 to 64 characters are required, letters, digits, hyphens and underscores, "
            f"beginning with a letter; got {shown(value)}",
            code,
        )
    return value


def remark(field: str, value: object) -> str:
    """At most 64 characters, none of `>!<"&'=` and no line break; it may be empty."""
    if not isinstance(value, str):
        raise bad_parameter(field, f"a string is required, got {shown(value)}")
    if len(value) > _MAX_TEXT:
        raise bad_parameter(
            field,
            f"at most {_MAX_TEXT} characters are allowed, got {len(value)}",
            codes.VALUE_TOO_LONG,
        )
    return _plain(field, value, codes.BAD_PARAMETER)


def _plain(field: str, value: str, code: ErrorCode) -> str:
    """Text without the characters that remarks and descriptions may not have."""
    if not _NOT_IN_REMARKS.isdisjoint(value):
        raise bad_parameter(
            field, f"none of >!<\"&'= and no line break is allowed, got {shown(value)}", code
        )
    return value


def backup_name(field: str, value: object) -> str:
    """As names of instances."""
    return _name(field, value, codes.BACKUP_NAME_INVALID)


def backup_description(field: str, value: object) -> str:
    """See `_description`."""
    return _description(field, value, codes.BACKUP_DESCRIPTION_INVALID)


def configuration_name(field: str, value: object) -> str:
    """1 to 64 letters, digits, `-`, `_` and `.`."""
    if not isinstance(value, str) or not _CONFIGURATION.fullmatch(value):
        raise bad_parameter(
            field,
            f"1 to 64 letters, digits, -, _ and . are required, got {shown(value)}",
            codes.CONFIGURATION_NAME_INVALID,
        )
    return value


def configuration_description(field: str, value: object) -> str:
    """See `_description`."""
    return _description(field, value, codes.CONFIGURATION_DESCRIPTION_INVALID)


def _description(field: str, value: object, code: ErrorCode) -> str:
    """At most 256 characters, none of `>!<"&'=` and no line break; it may be empty."""
    if not isinstance(value, str) or len(value) > _MAX_DESCRIPTION:
        raise bad_parameter(
            field,
            f"at most {_MAX_DESCRIPTION} characters are allowed, got {shown(value)}",
            code,
        )
    return _plain(field, value, code)


def milliseconds(field: str, value: object) -> int:
    """A moment as milliseconds since 1970."""
    return within(field, value, 0, _LAST_MILLISECOND, codes.TIME_INVALID)


def replica_set_name(field: str, value: object) -> str:
    """3 to 128 letters, digits and `_`, a letter first."""
    if not isinstance(value, str) or not _SET_NAME.fullmatch(value):
        raise bad_parameter(
            field,
            "3 to 128 letters, digits and underscores, beginning with a letter, are required; "
            f"got {shown(value)}",
        )
    return value


def clock(field: str, value: object, code: ErrorCode = codes.BAD_PARAMETER) -> str:
    """A time of day, `HH:MM`."""
    if not isinstance(value, str) or not _CLOCK.fullmatch(value):
        raise bad_parameter(field, f"HH:MM is required, got {shown(value)}", code)
    return value


def maintenance_window(start: str, end: str, *, full_hours: bool) -> str:
    """`HH:MM-HH:MM` of two times of day, at least one hour apart; it may reach over midnight."""
    if full_hours:
        for field, value in (("start_time", start), ("end_time", end)):
            if not value.endswith(":00"):
                raise bad_parameter(field, f"a full hour is required, got {shown(value)}")
    first, last = (int(value[:2]) * 60 + int(value[3:]) for value in (start, end))
    if (last - first) % (24 * 60) < 60:
        raise bad_parameter(
            "end_time",
            f"at least one hour after start_time {start} is required, got {shown(end)}",
        )
    return f"{start}-{end}"


def uuid(field: str, value: object, code: ErrorCode) -> str:
    """An id in UUID form (with or without hyphens), as the cloud's network services give them."""
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise bad_parameter(field, f"an id in UUID form is required, got {shown(value)}", code)
    return value


def database_port(value: object) -> int:
    """2100 to 9500, 27017, 27018 or 27019."""
    port = integer("port", value, codes.PORT_INVALID)
    if not 2100 <= port <= 9500 and port not in _PORTS:
        raise bad_parameter(
            "port",
            f"2100 to 9500, 27017, 27018 or 27019 is allowed, got {port}",
            codes.PORT_OUT_OF_RANGE,
        )
    return port


def database_password(
    value: object, field: str = "password", special: str = SPECIAL_CHARACTERS
) -> str:
    """8 to 32 characters with all four classes, the `special` ones the last. The message never
    repeats the password."""
    classes = _PASSWORD_CLASSES | {f"one of {special}": re.escape(special)}
    if not isinstance(value, str):
        raise bad_parameter(
            field, f"a string is required, got {shown(value)}", codes.PASSWORD_INVALID
        )
    if not re.fullmatch(f"[{''.join(classes.values())}]*", value):
        raise bad_parameter(
            field,
            f"only letters, digits and {special} are allowed",
            codes.PASSWORD_CHARACTERS,
        )
    if not 8 <= len(value) <= 32:
        raise bad_parameter(
            field, f"8 to 32 characters are required, got {len(value)}", codes.PASSWORD_INVALID
        )
    missing = [name for name, inside in classes.items() if not re.search(f"[{inside}]", value)]
    if missing:
        raise bad_parameter(field, f"it lacks {' and '.join(missing)}", codes.PASSWORD_WEAK)
    return value


def database_user(field: str, value: object) -> str:
    """A database user's name: 1 to 64 letters, digits, `-`, `_` and `.`."""
    if not isinstance(value, str) or not _USER.fullmatch(value):
        raise bad_parameter(
            field,
            f"1 to 64 letters, digits, -, _ and . are required, got {shown(value)}",
            codes.USER_NAME_INVALID,
        )
    return value


def refuse_internal_user(field: str, name: str) -> None:
    """Raises DdsError 400 for a user that only the service may change."""
    if name in INTERNAL_USERS:
        raise bad_parameter(
            field,
            f"{name} is one of the service's own users ({', '.join(sorted(INTERNAL_USERS))})",
            codes.BUILT_IN_USER,
        )


def database_name(field: str, value: object) -> str:
    """A database's name: 1 to 64 letters, digits and `_`."""
    if not isinstance(value, str) or not _DATABASE.fullmatch(value):
        raise bad_parameter(
            field,
            f"1 to 64 letters, digits and _ are required, got {shown(value)}",
            codes.DATABASE_NAME_INVALID,
        )
    return value


def account_database(field: str, value: object) -> str:
    """The database of a user or role: `admin` where it is empty. Those of MongoDB's own, `local`
    and `config`, hold none."""
    name = database_name(field, value or "admin")
    if name in SYSTEM_DATABASES and name != "admin":
        raise bad_parameter(
            field, f"{name} holds no users and no roles", codes.DATABASE_NAME_INVALID
        )
    return name


def database_role(field: str, value: object) -> str:
    """A role's name: 1 to 64 letters, digits, `-`, `_` and `.`."""
    if not isinstance(value, str) or not _USER.fullmatch(value):
        raise bad_parameter(
            field,
            f"1 to 64 letters, digits, -, _ and . are required, got {shown(value)}",
            codes.ROLE_INVALID,
        )
    return value


def namespace(field: str, value: object, code: ErrorCode = codes.BAD_PARAMETER) -> str:
    """A database, or a collection as `database.collection`."""
    if not isinstance(value, str) or not _NAMESPACE.fullmatch(value):
        raise bad_parameter(
            field, f"database or database.collection is required, got {shown(value)}", code
        )
    return value


def plan_stage(field: str, value: object) -> str:
    """The name of a stage of execution plans, as `COLLSCAN`."""
    if not isinstance(value, str) or not _STAGE.fullmatch(value):
        raise bad_parameter(
            field,
            f"the name of a stage, as COLLSCAN, is required, got {shown(value)}",
            codes.PLAN_SUMMARY_INVALID,
        )
    return value


def session_ids(field: str, value: object, most: int) -> list[str]:
    """1 to `most` ids of sessions, which may be JSON numbers."""
    items = [str(one) if type(one) is int else one for one in few(field, value, most)]
    for index, item in enumerate(items):
        if not isinstance(item, str) or not _SESSION.fullmatch(item):
            raise bad_parameter(
                f"{field}[{index}]",
                "the id of a session as ListSessions shows it is required, got " + shown(item),
                codes.SESSION_ID_INVALID,
            )
    return items


def kill_namespaces(field: str, value: object) -> list[str]:
    """At most one namespace, of no database of MongoDB itself."""
    items = sequence(field, value)
    if len(items) > 1:
        raise bad_parameter(field, f"at most one namespace is allowed, got {len(items)}")
    for item in items:
        if namespace(f"{field}[0]", item).partition(".")[0] in SYSTEM_DATABASES:
            raise bad_parameter(
                f"{field}[0]",
                f"a database of yours is required, not one of MongoDB itself; got {shown(item)}",
            )
    return items


def addresses(field: str, value: object, most: int) -> list[str]:
    """At most `most` IPv4 addresses."""
    items = sequence(field, value)
    if len(items) > most:
        raise bad_parameter(field, f"at most {most} addresses are allowed, got {len(items)}")
    return [
        ipv4(f"{field}[{index}]", item, codes.ADDRESS_INVALID) for index, item in enumerate(items)
    ]


def subset(field: str, value: object, allowed: Sequence[str]) -> list[str]:
    """Some of a few words, each once."""
    items = few(field, value, len(allowed))
    for index, item in enumerate(items):
        one_of(f"{field}[{index}]", item, allowed, codes.BAD_PARAMETER)
    if len(set(items)) < len(items):
        raise bad_parameter(field, "a word comes twice")
    return items


def seconds_running(field: str, value: object, most: int) -> int:
    """Seconds that an operation may run, 2 to `most`; 0 for no limit."""
    seconds = within(field, value, 0, most, codes.BAD_PARAMETER)
    if seconds == 1:
        raise bad_parameter(field, f"0, or 2 to {most}, is allowed, got 1")
    return seconds


def collection_name(field: str, value: object) -> str:
    """A collection's name: not empty, at most 170 bytes, no `$`, nothing of MongoDB's own."""
    if (
        not isinstance(value, str)
        or not 1 <= len(value.encode()) <= _LONGEST_COLLECTION
        or any(character in value for character in "$\0")
        or value.startswith((".", "system."))
    ):
        raise bad_parameter(
            field,
            f"1 to {_LONGEST_COLLECTION} bytes without $ and NUL are required, not beginning with "
            f"a dot or system.; got {shown(value)}",
        )
    return value


def tls_option(value: object) -> bool:
    """`ssl_option`: "1" on, "0" off."""
    if isinstance(value, bool) or str(value) not in ("0", "1"):
        raise bad_parameter(
            "ssl_option",
            f'"0" (off) or "1" (on) is allowed, got {shown(value)}',
            codes.SSL_OPTION_INVALID,
        )
    return str(value) == "1"


def backup_strategy(value: object) -> BackupStrategy:
    """Window of exactly one hour starting at a quarter, days to keep (0 to 732), and days of the
    week. Without automatic backups (0 days to keep) no window is needed.

    Newer OTC text allows full hours only; its own example starts at 08:15, which Huawei documents
    as legal, so quarters are accepted in both dialects. `period` is no documented field of the
    creating call, but Go clients send it there; its rules are those of the backup policy.
    """
    given = mapping("backup_strategy", value)
    days = integer(
        "backup_strategy.keep_days",
        given.get("keep_days", BackupStrategy.keep_days),
        codes.KEEP_DAYS_INVALID,
    )
    if not 0 <= days <= _MAX_KEEP_DAYS:
        raise bad_parameter(
            "backup_strategy.keep_days", f"0 to 732 is allowed, got {days}", codes.KEEP_DAYS_INVALID
        )
    period = ""
    if given.get("period"):
        period = backup_period("backup_strategy.period", given["period"], days)
    if days == 0 and not given.get("start_time"):
        return BackupStrategy(keep_days=0, period=period)
    if given.get("start_time") is None:
        raise bad_parameter(
            "backup_strategy.start_time", "it is required", codes.START_TIME_INVALID
        )
    window = backup_window("backup_strategy.start_time", given["start_time"])
    return BackupStrategy(window, days, period)


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
        codes.START_TIME_INVALID,
    )


def backup_period(field: str, value: object, keep_days: int) -> str:
    """Days of the week, `1,2,...,7`, each once; all seven where backups stay for 1 to 6 days."""
    days = value.split(",") if isinstance(value, str) else []
    if not days or len(set(days)) != len(days) or not _WEEK.issuperset(days):
        raise bad_parameter(
            field,
            "different days of the week, 1 to 7, separated by commas are required, got "
            f"{shown(value)}",
            codes.PERIOD_INVALID,
        )
    if 1 <= keep_days < len(_WEEK) and len(days) < len(_WEEK):
        raise bad_parameter(
            field,
            f"all seven days (1,2,3,4,5,6,7) are required with keep_days {keep_days}, got "
            f"{shown(value)}",
            codes.PERIOD_INVALID,
        )
    return ",".join(days)


def audit_days(field: str, value: object) -> int:
    """Days that audit logs are kept: 0, or 7 to 732."""
    days = integer(field, value, codes.KEEP_DAYS_INVALID)
    if days and not _MIN_AUDIT_DAYS <= days <= _MAX_KEEP_DAYS:
        raise bad_parameter(
            field,
            f"0, or {_MIN_AUDIT_DAYS} to {_MAX_KEEP_DAYS} is allowed, got {days}",
            codes.KEEP_DAYS_INVALID,
        )
    return days


def audit_scope(field: str, value: object) -> str:
    """`all`, which an empty one means too, or databases and collections, separated by commas."""
    if not isinstance(value, str):
        raise bad_parameter(field, f"a string is required, got {shown(value)}")
    if len(value) > _MAX_AUDIT_SCOPE:
        raise bad_parameter(
            field,
            f"at most {_MAX_AUDIT_SCOPE} characters are allowed, got {len(value)}",
            codes.VALUE_TOO_LONG,
        )
    if wrong := sorted(_NOT_IN_SCOPES & set(value)):
        raise bad_parameter(field, f"{shown(wrong[0])} is not allowed in a scope")
    if re.search(r"\$(?!,)", value):
        raise bad_parameter(field, "a $ is allowed only before a comma that is part of a name")
    return value.strip(",") or ALL


def audit_types(field: str, value: object) -> list[str]:
    """What is audited, each once; everything where nothing is named."""
    items = sequence(field, value)
    found = [
        one_of(f"{field}[{i}]", item, [*AuditType], codes.BAD_PARAMETER)
        for i, item in enumerate(items)
    ]
    return list(dict.fromkeys(found)) or list(AuditType)


def tags(value: object, dialect: Dialect) -> tuple[tuple[str, str], ...]:
    """At most 20 tags with different keys. Spaces around keys and values do not count."""
    in_keys, in_values = dialect.tag_extras
    pairs: dict[str, str] = {}
    items = sequence("tags", value)
    if len(items) > MAX_TAGS:
        raise bad_parameter(
            "tags", f"at most 20 are allowed, got {len(items)}", codes.TOO_MANY_TAGS
        )
    for index, item in enumerate(items):
        entry = mapping(f"tags[{index}]", item, codes.TAG_KEY_INVALID)
        key = _tag_part(
            f"tags[{index}].key",
            entry.get("key"),
            in_keys,
            range(1, _MAX_TAG_KEY + 1),
            codes.TAG_KEY_INVALID,
        )
        tag_value = _tag_part(
            f"tags[{index}].value",
            entry.get("value", ""),
            in_values,
            range(_MAX_TAG_VALUE + 1),
            codes.TAG_VALUE_INVALID,
        )
        if key in pairs:
            raise bad_parameter(f"tags[{index}].key", f'"{key}" comes twice', codes.TAG_KEY_INVALID)
        pairs[key] = tag_value
    return tuple(pairs.items())


def _tag_part(field: str, value: object, extra: str, lengths: range, code: ErrorCode) -> str:
    part = value.strip(" ") if isinstance(value, str) else None
    characters = f"[{_TAG_CHARACTERS}{re.escape(extra)}]*"
    if part is None or len(part) not in lengths or not re.fullmatch(characters, part):
        more = f", {extra}" if extra else ""
        raise bad_parameter(
            field,
            f"{lengths.start} to {lengths.stop - 1} letters, digits, Chinese characters, -, _"
            f"{more} are allowed, got {shown(value)}",
            code,
        )
    return part


def zones(field: str, value: object, allowed: Sequence[str]) -> tuple[str, ...]:
    """Names of availability zones, separated by commas, each once; any where `allowed` is empty."""
    if not isinstance(value, str):
        text(field, value, codes.ZONE_INVALID)
    found = tuple(zone.strip() for zone in str(value).split(","))
    for zone in found:
        text(field, zone, codes.ZONE_INVALID)
        if allowed:
            one_of(field, zone, allowed, codes.ZONE_INVALID)
    if len(set(found)) != len(found):
        raise bad_parameter(field, "a zone comes twice", codes.ZONE_INVALID)
    return found


def networks(field: str, value: object) -> tuple[str, ...]:
    """IPv4 networks in CIDR form, prefix 8 to 32; they stay as they were written."""
    items = sequence(field, value)
    for index, item in enumerate(items):
        try:
            found = IPv4Network(item if isinstance(item, str) and "/" in item else "", strict=False)
        except ValueError:
            found = IPv4Network("0.0.0.0/0")
        if found.prefixlen < _SHORTEST_PREFIX:
            raise bad_parameter(
                f"{field}[{index}]",
                "an IPv4 network in CIDR form, prefix 8 to 32, is required, got " + shown(item),
                codes.ADDRESS_INVALID,
            )
    return tuple(items)


def ipv4(field: str, value: object, code: ErrorCode) -> str:
    """An IPv4 address, `192.0.2.10`."""
    try:
        return str(IPv4Address(value if isinstance(value, str) else ""))
    except ValueError:
        raise bad_parameter(
            field, f"an IPv4 address is required, got {shown(value)}", code
        ) from None


def offset(field: str, value: object) -> int:
    """Items to skip: 0 or more."""
    start = integer(field, value, codes.OFFSET_INVALID)
    if start < 0:
        raise bad_parameter(field, f"0 or more is allowed, got {start}", codes.OFFSET_INVALID)
    return start


def limit(field: str, value: object) -> int:
    """Items of one answer: 1 to 100."""
    return within(field, value, 1, 100, codes.LIMIT_INVALID)


def ids(field: str, value: object, most: int) -> list[str]:
    """1 to `most` ids."""
    items = sequence(field, value)
    if not 1 <= len(items) <= most:
        raise bad_parameter(field, f"1 to {most} ids are required, got {len(items)}")
    return [text(f"{field}[{index}]", item) for index, item in enumerate(items)]


def words(field: str, value: object, longest: int, most: int = 10) -> list[str]:
    """At most `most` strings of 1 to `longest` characters."""
    items = sequence(field, value)
    if len(items) > most:
        raise bad_parameter(field, f"at most {most} are allowed, got {len(items)}")
    for index, item in enumerate(items):
        if not isinstance(item, str) or not 1 <= len(item) <= longest:
            raise bad_parameter(
                f"{field}[{index}]",
                f"a string of 1 to {longest} characters is required, got {shown(item)}",
            )
    return items


def one_word(field: str, value: object, allowed: Sequence[str], code: ErrorCode) -> str:
    """One of a few words in capital letters, however it is written; empty for none."""
    word = value.upper() if isinstance(value, str) else value
    return "" if word == "" else one_of(field, word, allowed, code)


def name_filter(field: str, value: object) -> str:
    """An exact name, or `*` and the part that a name must contain."""
    if value == "*":
        raise bad_parameter(
            field,
            "`*` must be followed by a part of the name, got `*` alone",
            codes.INSTANCE_NAME_INVALID,
        )
    return str(value)


def tag_filter(value: str) -> tuple[tuple[str, str], ...]:
    """`k=v,k2=v2` of the list call: all must match; an empty value matches the empty value."""
    pairs = []
    for part in value.split(","):
        key, _, tag_value = part.partition("=")
        if not key:
            raise bad_parameter(
                "tags", f"key=value is required, got {shown(part)}", codes.TAG_QUERY_INVALID
            )
        pairs.append((key, tag_value))
    if len(pairs) > MAX_TAGS:
        raise bad_parameter(
            "tags", f"at most 20 are allowed, got {len(pairs)}", codes.TAG_QUERY_INVALID
        )
    return tuple(pairs)


def version(field: str, value: object) -> str:
    """A release (`5.0`) or a version (`5.0.32`)."""
    if not isinstance(value, str) or not _VERSION.fullmatch(value):
        raise bad_parameter(
            field,
            f"a release such as 5.0 or a version such as 5.0.32 is required, got {shown(value)}",
            codes.VERSION_INVALID,
        )
    return value


_FIRST_YEAR = 1970


def moment(field: str, value: object, code: ErrorCode = codes.BAD_PARAMETER) -> datetime:
    """A time from 1970 on as `yyyy-mm-ddThh:mm:ss+0000`, in UTC; UTC where the zone is missing. A
    blank before the zone is the `+` of a query string whose sender did not encode it."""
    try:
        found = datetime.fromisoformat(_BLANK_ZONE.sub(r"\1+\2", str(value)))
        found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        found = datetime.min.replace(tzinfo=UTC)
    if found.year < _FIRST_YEAR:
        raise bad_parameter(
            field,
            f"yyyy-mm-ddThh:mm:ss+0000, from {_FIRST_YEAR} on, is required, got {shown(value)}",
            code,
        )
    return found


def day(field: str, value: object) -> date:
    """A day as `yyyy-mm-dd`."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        with suppress(ValueError):
            return date.fromisoformat(value)
    raise bad_parameter(
        field, f"a day as yyyy-mm-dd is required, got {shown(value)}", codes.TIME_INVALID
    )


def one_of(field: str, value: object, allowed: Sequence[str], code: ErrorCode) -> str:
    """One of a few words."""
    if not isinstance(value, str) or value not in allowed:
        raise bad_parameter(
            field, f"one of {', '.join(allowed)} is required, got {shown(value)}", code
        )
    return value


def one_of_or_empty(field: str, value: object, allowed: Sequence[str]) -> str:
    """One of a few words, or nothing."""
    return one_of(field, value, ("", *allowed), codes.BAD_PARAMETER)


def not_available(field: str, why: str, code: ErrorCode = codes.NOT_LEGAL_HERE) -> DdsError:
    """A documented field that this service cannot act on: refused rather than dropped."""
    return bad_parameter(field, why, code)
