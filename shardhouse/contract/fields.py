"""Fields that several calls have: a type, its rule and its description, once."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from pydantic import Field

from shardhouse import error_codes as codes
from shardhouse.contract.parsing import Rule
from shardhouse.domain import rules
from shardhouse.error_codes import ErrorCode

#: Metadata of an answer's field that is left out where it is None; one without it is `null` then.
LEFT_OUT = Field(exclude_if=lambda value: value is None)


def one_of(*allowed: str, code: ErrorCode = codes.BAD_PARAMETER) -> Any:
    """Metadata of a field that is one of a few words."""

    def check(field: str, value: object) -> str:
        return rules.one_of(field, value, allowed, code)

    return Rule(check, tuple(str(one) for one in allowed))


def text(code: ErrorCode = codes.BAD_PARAMETER) -> Rule:
    """Metadata of a field that is a string of 1 to 64 characters."""
    return Rule(partial(_swapped, rules.text, code))


def integer(low: int, high: int, code: ErrorCode = codes.BAD_PARAMETER) -> Rule:
    """Metadata of a whole number within bounds, both included."""

    def check(field: str, value: object) -> int:
        return rules.within(field, value, low, high, code)

    return Rule(check)


def _swapped(
    check: Callable[[str, object, ErrorCode], Any], code: ErrorCode, field: str, value: object
) -> Any:
    return check(field, value, code)


Text = Annotated[str, text()]
Offset = Annotated[int, Rule(rules.offset), Field(description="Items to skip, from 0.")]
Limit = Annotated[int, Rule(rules.limit), Field(description="Items of the answer, 1 to 100.")]
Flag = Annotated[bool, Rule(rules.flag)]
InstanceName = Annotated[
    str,
    Rule(lambda field, value: rules.instance_name(value, field)),
    Field(description="4 to 64 letters, digits, `-` and `_`, a letter first."),
]
Password = Annotated[
    str,
    Rule(lambda field, value: rules.database_password(value, field)),
    Field(
        repr=False,
        json_schema_extra={"format": "password"},
        description="8 to 32 characters: upper and lower case, digits, and one of "
        f"`{rules.SPECIAL_CHARACTERS}`.",
    ),
]
Port = Annotated[
    int,
    Rule(lambda _field, value: rules.database_port(value)),
    Field(description="2100 to 9500, 27017, 27018 or 27019."),
]
SslOption = Annotated[
    bool,
    Rule(lambda _field, value: rules.tls_option(value)),
    Field(description='`"1"`: on, `"0"`: off.'),
]
Moment = Annotated[
    Any, Rule(rules.moment), Field(description="`yyyy-mm-ddThh:mm:ss+0000`, UTC without a zone.")
]
