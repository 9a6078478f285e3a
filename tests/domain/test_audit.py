"""What a policy of audit logs means."""

import pytest

from shardhouse.domain import rules
from shardhouse.domain.audit import AuditFilter, AuditPolicy, AuditType
from shardhouse.errors import DdsError


def names(types, command):
    wanted = AuditPolicy(7, types=types).filter
    assert wanted is not None
    return wanted.names(command)


@pytest.mark.parametrize(
    ("types", "command", "audited"),
    [
        (("insert",), "insert", True),
        (("insert",), "update", False),
        (("insert",), "createUser", False),
        (("update",), "findAndModify", True),
        (("query",), "aggregate", True),
        (("query", "delete"), "delete", True),
        (("command",), "createUser", True),
        (("command",), "find", False),
        (("command", "query"), "find", True),
        (("auth",), "find", False),
        (tuple(AuditType), "find", True),
        (tuple(AuditType), "dropDatabase", True),
        (tuple(AuditType), "hello", False),
        (tuple(AuditType), "saslStart", False),
    ],
)
def test_types_name_commands(types, command, audited):
    assert names(types, command) is audited


def test_logins_are_a_type_of_their_own():
    logins = AuditPolicy(7, types=("auth",)).filter
    reads = AuditPolicy(7, types=("query",)).filter
    assert (logins.logins, logins.commands) == (True, False)
    assert (reads.logins, reads.commands) == (False, True)


def test_nothing_is_audited_by_default():
    assert AuditPolicy().filter is None


@pytest.mark.parametrize(
    ("scope", "namespace", "audited"),
    [
        ("all", "shop.orders", True),
        ("shop", "shop.orders", True),
        ("shop", "shopping.orders", False),
        ("shop.orders", "shop.orders", True),
        ("shop.orders", "shop.carts", False),
        ("log,shop.orders", "log.$cmd", True),
        ("shop.a$,b", "shop.a,b", True),
        ("shop.a$,b", "shop.a", False),
    ],
)
def test_a_scope_names_databases_and_collections(scope, namespace, audited):
    assert AuditPolicy(7, scope=scope).filter.covers(namespace) is audited


def test_a_filter_survives_being_stored():
    wanted = AuditPolicy(7, scope="shop", types=("query", "auth")).filter
    assert AuditFilter.of(wanted.document()) == wanted


@pytest.mark.parametrize("days", [0, 7, "30", 732])
def test_days_that_are_allowed(days):
    assert rules.audit_days("keep_days", days) == int(days)


@pytest.mark.parametrize("days", [-1, 1, 6, 733, "x", None, True])
def test_days_that_are_not(days):
    with pytest.raises(DdsError) as refusal:
        rules.audit_days("keep_days", days)
    assert refusal.value.code == "DBS.280214"


@pytest.mark.parametrize(
    ("scope", "code"),
    [
        ("a b", "DBS.200001"),
        ("a{", "DBS.200001"),
        ("$a", "DBS.200001"),
        (["a"], "DBS.200001"),
        ("a" * 1025, "DBS.280271"),
    ],
)
def test_scopes_that_are_refused(scope, code):
    with pytest.raises(DdsError) as refusal:
        rules.audit_scope("audit_scope", scope)
    assert refusal.value.code == code


def test_no_scope_and_no_types_mean_all():
    assert rules.audit_scope("audit_scope", "") == "all"
    assert rules.audit_types("audit_types", []) == list(AuditType)
    with pytest.raises(DdsError):
        rules.audit_types("audit_types", ["login"])
