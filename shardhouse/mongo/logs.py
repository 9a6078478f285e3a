"""Reading mongod's and the router's logs."""

import json
from collections.abc import Sequence
from typing import Any


def reason(lines: Sequence[str]) -> str:
    """Why a server ended, from its last log lines: the last error or fatal entry of mongod's
    JSON log, else the last plain line, else the last message."""
    entries = [_parse(line) for line in lines if line.strip()]
    for wanted in ("FE", "?", "WI"):
        for severity, text in reversed(entries):
            if severity in wanted:
                return text
    return ""


def _parse(line: str) -> tuple[str, str]:
    try:
        entry = json.loads(line)
        return str(entry["s"]), _describe(str(entry["msg"]), entry.get("attr", {}))
    except (ValueError, KeyError, TypeError):
        return "?", line.strip()


def _describe(message: str, attributes: dict[str, Any]) -> str:
    error = attributes.get("error") or attributes.get("msg")
    if isinstance(error, dict):
        error = error.get("errmsg")
    return f"{message}: {error}" if error else message
