"""Passwords of database users, as drivers meet them."""

from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from shardhouse.domain.passwords import is_weak
from tests import requests
from tests.installation import Installation, uri

Made = dict[str, Any]
AUTHENTICATION_FAILED = 18
FIRST, SECOND = "Test@123", "Zx7-mountain_Lake"


@pytest.fixture(params=["shared_replica", "shared_cluster"])
def made(request: pytest.FixtureRequest) -> Made:
    return request.getfixturevalue(request.param)


def reset(installation: Installation, made: Made, **body: str) -> Any:
    return installation.call("PUT", f"/instances/{made['id']}/reset-password", json=body)


def check(installation: Installation, made: Made, **body: str) -> Any:
    return installation.call("POST", f"/instances/{made['id']}/check-password", json=body)


def logs_in(made: Made, password: str, user: str = "rwuser") -> bool:
    with MongoClient(uri(made, password, user)) as client:
        try:
            client["shop"]["orders"].find_one()
        except OperationFailure as error:
            if error.code == AUTHENTICATION_FAILED:
                return False
            raise
    return True


def test_drivers_need_the_new_password(installation: Installation, made: Made) -> None:
    before = installation.instance(made["id"])
    assert logs_in(made, FIRST)
    assert check(installation, made, user_pwd=FIRST).json() == {}
    answer = reset(installation, made, user_pwd=SECOND)
    try:
        assert (answer.status_code, answer.json()) == (200, {})
        assert not logs_in(made, FIRST)
        assert logs_in(made, SECOND)
        refused = check(installation, made, user_pwd=FIRST)
        assert (refused.status_code, refused.json()["error_code"]) == (400, "DBS.200029")
        assert check(installation, made, user_pwd=SECOND).status_code == 200
    finally:
        assert reset(installation, made, user_pwd=FIRST).status_code == 200
    assert not logs_in(made, SECOND)
    after = installation.instance(made["id"])
    assert before is not None
    assert after is not None
    assert (after["status"], after["actions"]) == ("normal", [])


def test_other_users_have_passwords_of_their_own(installation: Installation, made: Made) -> None:
    with MongoClient(uri(made)) as client:
        client.admin.command("createUser", "clerk", pwd=FIRST, roles=["readWriteAnyDatabase"])
        try:
            assert reset(installation, made, user_name="clerk", user_pwd=SECOND).status_code == 200
            assert logs_in(made, SECOND, "clerk")
            assert not logs_in(made, FIRST, "clerk")
            assert logs_in(made, FIRST)
        finally:
            client.admin.command("dropUser", "clerk")


def test_an_instance_with_tls_gets_its_first_password(installation: Installation) -> None:
    body = requests.single(name="tls-single", ssl_option="1")
    del body["password"]
    made = installation.make(body)
    refused = check(installation, made, user_pwd=SECOND)
    assert (refused.status_code, refused.json()["error_code"]) == (400, "DBS.200029")
    assert reset(installation, made, user_pwd=SECOND).status_code == 200
    assert check(installation, made, user_pwd=SECOND).status_code == 200
    installation.delete(made["id"])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "DBS.200052"),
        ({"user_pwd": "short"}, "DBS.200052"),
        ({"user_pwd": "lowercase-only-1"}, "DBS.200068"),
        ({"user_pwd": "With space-1"}, "DBS.280200"),
        ({"user_pwd": SECOND, "user_name": "nobody"}, "DBS.200824"),
        ({"user_pwd": SECOND, "db_name": "shop"}, "DBS.200824"),
        ({"user_pwd": SECOND, "user_name": "root"}, "DBS.200828"),
        ({"user_pwd": SECOND, "user_name": "__system", "db_name": "local"}, "DBS.200828"),
        ({"user_pwd": SECOND, "user_name": "a b"}, "DBS.280292"),
        ({"user_pwd": SECOND, "db_name": "$external"}, "DBS.239020"),
    ],
)
def test_what_cannot_be_set(
    installation: Installation, shared_replica: Made, body: dict[str, str], code: str
) -> None:
    answer = reset(installation, shared_replica, **body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, code)
    assert SECOND not in answer.text
    assert check(installation, shared_replica, user_pwd=FIRST).status_code == 200


def test_no_password_is_kept(installation: Installation, shared_replica: Made) -> None:
    assert reset(installation, shared_replica, user_pwd=SECOND).status_code == 200
    assert check(installation, shared_replica, user_pwd=SECOND).status_code == 200
    assert reset(installation, shared_replica, user_pwd=FIRST).status_code == 200
    files = [path for path in installation.data_dir.glob("*") if path.is_file()]
    logs = list((installation.data_dir / "instances" / shared_replica["id"]).glob("*/log/*"))
    assert len(files) > 1
    assert len(logs) > 1
    for path in (*files, *logs, installation.log):
        assert SECOND.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("password", "weak"),
    [
        ("Test@123", True),
        ("P@ssw0rd!", True),
        ("Huawei@2026", True),
        ("aB-1234xyz", True),
        ("aB-1135ffff", True),
        ("short", True),
        ("lower-case-only", True),
        ("Zx7-mountain_Lake", False),
        ("Secret-12357", True),
        ("tr0Ub4dor&3", True),
        ("tr0Ub4dor_3", False),
    ],
)
def test_weak_passwords(password: str, weak: bool) -> None:
    assert is_weak(password) is weak


@pytest.mark.parametrize(("password", "weak"), [("Password@1", True), (SECOND, False)])
def test_the_service_judges_passwords(
    installation: Installation, password: str, weak: bool
) -> None:
    answer = installation.call("POST", "/weak-password-verification", json={"password": password})
    assert (answer.status_code, answer.json()) == (200, {"weak": weak})


def test_a_password_to_judge_is_required(installation: Installation) -> None:
    answer = installation.call("POST", "/weak-password-verification", json={})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "DBS.200052")
