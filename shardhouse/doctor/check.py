"""The result of a check of `doctor`."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; `mend` says what to do where it is not ok."""

    name: str
    verdict: Verdict
    found: str
    mend: str = ""
