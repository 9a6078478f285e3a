"""Passwords of database users: changed, checked, judged."""

from typing import Annotated

from pydantic import Field

from shardhouse import error_codes as codes
from shardhouse.contract.call import Call, Method, Rules, Wire
from shardhouse.contract.fields import Password
from shardhouse.contract.instances import INSTANCE
from shardhouse.contract.parsing import Rule
from shardhouse.domain import rules
from shardhouse.domain.model import Status

AnyPassword = Annotated[
    str,
    Rule(lambda field, value: rules.text(field, value, codes.PASSWORD_INVALID)),
    Field(repr=False),
]
UserName = Annotated[
    str, Rule(rules.database_user), Field(description="1 to 64 letters, digits, `-`, `_` and `.`.")
]
DatabaseName = Annotated[
    str, Rule(rules.database_name), Field(description="1 to 64 letters, digits and `_`.")
]


class ResetBody(Wire):
    """The new password, and whose it is."""

    user_pwd: Password
    user_name: UserName = "rwuser"
    db_name: DatabaseName = "admin"


class CheckBody(Wire):
    """A password, and whose it may be."""

    user_pwd: AnyPassword
    user_name: UserName = "rwuser"
    db_name: DatabaseName = "admin"


class JudgeBody(Wire):
    """A password."""

    password: AnyPassword


class JudgeAnswer(Wire):
    """Whether it is weak."""

    weak: bool


RESET_PASSWORD = Call(
    "ResetPassword",
    Method.PUT,
    f"{INSTANCE}/reset-password",
    summary="Give a database user another password. Connections that are open stay open.",
    permission="dds:instance:resetPassword",
    body=ResetBody,
    example={"user_pwd": "Other#Secret-7", "user_name": "rwuser", "db_name": "admin"},
)
CHECK_PASSWORD = Call(
    "CheckPassword",
    Method.POST,
    f"{INSTANCE}/check-password",
    summary="Try a database user's password; 400 if it is wrong.",
    permission="dds:instance:checkPassword",
    body=CheckBody,
    example={"user_pwd": "Other#Secret-7", "user_name": "rwuser", "db_name": "admin"},
    rules=Rules(statuses=frozenset({Status.NORMAL, Status.ABNORMAL}), idle=False),
)
CHECK_WEAK_PASSWORD = Call(
    "CheckWeakPassword",
    Method.POST,
    "/v3/{project_id}/weak-password-verification",
    summary="Whether a password is weak: against the rules of new ones, or easy to guess.",
    permission="dds:instance:list",
    body=JudgeBody,
    example={"password": "Password@123"},
    answer=JudgeAnswer,
    reads=True,
)
CALLS = (RESET_PASSWORD, CHECK_PASSWORD, CHECK_WEAK_PASSWORD)
