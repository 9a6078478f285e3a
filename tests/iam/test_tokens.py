"""Tokens, throttling and temporary keys, with a clock that the test moves."""

import json
import stat
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from shardhouse.errors import IamError, SettingsError
from shardhouse.iam import passwords
from shardhouse.iam import throttle as throttling
from shardhouse.iam.bootstrap import bootstrap
from shardhouse.iam.caller import Caller
from shardhouse.iam.passwords import Passwords
from shardhouse.iam.roles import DDS_FULL_ACCESS, DDS_READ_ONLY
from shardhouse.iam.throttle import Throttle
from shardhouse.iam.tokens import Login, Scope, Token
from shardhouse.store.iam import credentials, directory
from shardhouse.store.iam.records import Assignment, Domain, User
from tests.iam.world import OTHER, PASSWORD, Clock, World, make_world

SOURCE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


def admin_token(world: World, scope: Scope | None = None) -> Token:
    admin = world.admin
    login = Login(admin["password"], user_name=admin["user_name"], domain_name=admin["domain_name"])
    return world.iam.tokens.by_password(login, scope, SOURCE)


def project_scope(world: World) -> Scope:
    return Scope("project", name=world.admin["project_name"])


def new_user(world: World, name: str, *roles: str) -> Caller:
    admin = admin_token(world).caller
    user = world.iam.users.create(
        admin,
        name=name,
        password=PASSWORD,
        description="",
        enabled=True,
        domain_id=None,
        strict_name=True,
    )
    for role in roles:
        project = world.admin["project_id"]
        world.iam.assignments.add(admin, Assignment(user.id, "project", project, role))
    return world.iam.tokens.by_password(Login(PASSWORD, user_id=user.id), None, SOURCE).caller


def refused(status: int, text: str = "") -> Any:
    class Refused:
        error: IamError

        def __enter__(self) -> "Refused":
            return self

        def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
            assert isinstance(error, IamError), f"expected a refusal with {status}, got {error!r}"
            assert error.status == status
            assert text in error.message
            self.error = error
            return True

    return Refused()


def test_a_token_lives_24_hours(world: World) -> None:
    token = admin_token(world, project_scope(world))
    assert token.expires_at - token.issued_at == timedelta(hours=24)
    world.clock.advance(hours=23, minutes=59)
    assert world.iam.tokens.authenticate(token.text).caller == token.caller
    world.clock.advance(minutes=1)
    with refused(401, "token expires, expires_at: "):
        world.iam.tokens.authenticate(token.text)


def test_a_renewed_token_ends_with_the_first(world: World) -> None:
    token = admin_token(world)
    world.clock.advance(hours=1)
    second = world.iam.tokens.by_token(token.text, project_scope(world))
    assert second.expires_at == token.expires_at
    assert second.methods == ("token",)
    assert second.caller.project_id == world.admin["project_id"]
    assert world.iam.tokens.authenticate(token.text)


def test_expired_tokens_are_swept(world: World) -> None:
    old = admin_token(world)
    world.clock.advance(hours=25)
    admin_token(world)
    with world.database.read() as connection:
        digest = world.vault.digest(old.text, "token")
        assert credentials.token(connection, digest) is None


def test_the_store_never_holds_a_secret(world: World) -> None:
    token = admin_token(world)
    world.database.close()
    content = b"".join(p.read_bytes() for p in world.settings.data_dir.glob("shardhouse.db*"))
    assert world.admin["access_key"].encode() in content
    for secret in (token.text, world.admin["password"], world.admin["secret_key"]):
        assert secret.encode() not in content
        assert secret not in repr(token)


def test_what_ends_tokens(world: World) -> None:
    iam = world.iam
    admin = admin_token(world).caller
    user = new_user(world, "somebody", DDS_READ_ONLY.id)

    def token() -> str:
        return iam.tokens.by_password(Login(PASSWORD, user_id=user.user_id), None, SOURCE).text

    text = token()
    iam.users.change(admin, user.user_id, name=None, password=None, description="x", enabled=None)
    assert iam.tokens.authenticate(text)

    iam.users.change(admin, user.user_id, name=None, password=None, description=None, enabled=False)
    with refused(401):
        iam.tokens.authenticate(text)
    with refused(401, "the user name or password is wrong"):
        token()
    iam.users.change(admin, user.user_id, name=None, password=None, description=None, enabled=True)
    with refused(401):
        iam.tokens.authenticate(text)

    text = token()
    grant = Assignment(user.user_id, "project", world.admin["project_id"], DDS_READ_ONLY.id)
    iam.assignments.remove(admin, grant)
    with refused(401):
        iam.tokens.authenticate(text)

    text = token()
    iam.tokens.revoke(user, text)
    with refused(401):
        iam.tokens.authenticate(text)

    text = token()
    iam.users.change_own_password(
        user, user.user_id, original=PASSWORD, password="An0ther-one", source=SOURCE
    )
    with refused(401):
        iam.tokens.authenticate(text)
    with refused(401, "wrong"):
        token()

    text = iam.tokens.by_password(Login("An0ther-one", user_id=user.user_id), None, SOURCE).text
    iam.users.delete(admin, user.user_id)
    with refused(401):
        iam.tokens.authenticate(text)


def test_scopes(world: World) -> None:
    iam = world.iam
    user = new_user(world, "scoped", DDS_FULL_ACCESS.id)
    empty = iam.projects.create(
        admin_token(world).caller,
        name="local_second",
        description="",
        parent_id=None,
        domain_id=None,
        enabled=True,
    )

    def scoped(**scope: Any) -> Caller:
        login = Login(PASSWORD, user_id=user.user_id)
        return iam.tokens.by_password(login, Scope(**scope), SOURCE).caller

    name, domain = world.admin["project_name"], world.admin["domain_name"]
    assert scoped(kind="project", name=name).roles == (DDS_FULL_ACCESS,)
    assert scoped(kind="project", name=name, domain_name=domain).project_name == name
    assert scoped(kind="domain", name=domain).project_id is None
    assert scoped(kind="domain", id=user.domain_id).roles == ()
    with refused(403, "no role on project"):
        scoped(kind="project", id=empty.id)
    with refused(404):
        scoped(kind="project", name="unknown")
    with refused(404):
        scoped(kind="project", name=name, domain_name=OTHER.domain_name)
    with refused(403):
        scoped(kind="domain", name=OTHER.domain_name)


def test_failed_logins_delay_the_next_ones_from_there_only(world: World) -> None:
    user = new_user(world, "victim")
    wrong, right = Login("wrong", user_id=user.user_id), Login(PASSWORD, user_id=user.user_id)
    by_password = world.iam.tokens.by_password
    for _ in range(5):
        with refused(401, "wrong"):
            by_password(wrong, None, SOURCE)
    for seconds in (1, 2, 4, 8, 16, 32, 60, 60):
        for login in (wrong, right):
            with refused(429, f"again in {seconds} seconds") as refusal:
                by_password(login, None, SOURCE)
            assert refusal.error.retry_after == seconds
        assert by_password(right, None, ELSEWHERE)
        world.clock.advance(seconds=seconds)
        with refused(401, "wrong"):
            by_password(wrong, None, SOURCE)
    world.clock.advance(seconds=60)
    assert by_password(right, None, SOURCE)
    with refused(401, "wrong"):
        by_password(wrong, None, SOURCE)
    assert by_password(right, None, SOURCE)


def test_failures_are_forgotten_after_a_quarter_of_an_hour(world: World) -> None:
    throttle = Throttle(world.clock)
    for _ in range(5):
        throttle.failed(SOURCE, "somebody")
    with refused(429):
        throttle.check(SOURCE, "somebody")
    world.clock.advance(minutes=15)
    throttle.failed(SOURCE, "somebody")
    throttle.check(SOURCE, "somebody")


def test_a_clock_set_back_makes_nobody_wait_longer(world: World) -> None:
    throttle = Throttle(world.clock)
    for _ in range(5):
        throttle.failed(SOURCE, "somebody")
    world.clock.advance(hours=-1)
    with refused(429, "again in 1 seconds"):
        throttle.check(SOURCE, "somebody")


def test_made_up_names_fill_a_bounded_table(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "ENTRIES", 10)
    throttle = Throttle(world.clock)
    for number in range(50):
        for _ in range(5):
            throttle.failed(SOURCE, f"nobody{number}" * 1000)
    assert len(throttle._failures) == 10
    assert sum(map(len, throttle._failures)) == 320
    with refused(429):
        throttle.check(SOURCE, "nobody49" * 1000)


def test_whoever_cannot_log_in_looks_like_a_wrong_password(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same answer, one query, one hash, and the same delay afterwards."""
    off, without = new_user(world, "disabled.one"), new_user(world, "without.password")
    domain = world.admin["domain_name"]
    with world.database.write() as connection:
        directory.change_user(connection, off.user_id, {"enabled": False})
        directory.change_user(connection, without.user_id, {"password_hash": None})
        closed = Domain("c" * 32, "closed", False, world.clock())
        directory.add_domain(connection, closed)
        hash_ = world.iam.passwords.hash(PASSWORD)
        moved = User("e" * 32, closed.id, "inmate", "", True, hash_, "mid", world.clock())
        directory.add_user(connection, moved)
    hashes: list[str] = []
    verify = world.iam.passwords._hasher.verify

    class Counting:
        def verify(self, password_hash: str, password: str) -> bool:
            hashes.append(password)
            return verify(password_hash, password)

    monkeypatch.setattr(world.iam.passwords, "_hasher", Counting())
    queries: list[str] = []
    event.listen(
        world.database.engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: queries.append(statement),
    )
    logins = {
        "wrong password": Login("wrong", user_name="admin", domain_name=domain),
        "unknown user": Login(PASSWORD, user_name="nobody", domain_name=domain),
        "unknown domain": Login(PASSWORD, user_name="admin", domain_name="nowhere"),
        "unknown id": Login(PASSWORD, user_id="0" * 32),
        "disabled user": Login(PASSWORD, user_name="disabled.one", domain_id=off.domain_id),
        "disabled domain": Login(PASSWORD, user_name="inmate", domain_name="closed"),
        "no password": Login(PASSWORD, user_id=without.user_id),
    }
    for login in logins.values():
        hashes.clear(), queries.clear()
        for _ in range(5):
            with refused(401, "the user name or password is wrong"):
                world.iam.tokens.by_password(login, None, SOURCE)
        assert len(hashes) == 5
        assert len([query for query in queries if query.startswith("SELECT")]) == 5
        assert not [query for query in queries if query.startswith(("INSERT", "UPDATE"))]
        with refused(429, "5 failed logins of this user from your address"):
            world.iam.tokens.by_password(login, None, SOURCE)
        assert len(hashes) == 5


def test_a_token_is_not_renewed_past_the_end_of_its_users_sessions(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change of the password between the check of a token or password and the issue."""
    admin = admin_token(world).caller
    user = new_user(world, "racing.user")
    login = Login(PASSWORD, user_id=user.user_id)
    tokens = world.iam.tokens
    text = tokens.by_password(login, None, SOURCE).text
    issue = tokens._issue

    def late(*arguments: Any) -> Token:
        world.iam.users.change(
            admin, user.user_id, name=None, password=PASSWORD, description=None, enabled=None
        )
        return issue(*arguments)

    monkeypatch.setattr(tokens, "_issue", late)
    with refused(401, "ended just now"):
        tokens.by_token(text, None)
    with refused(401, "ended just now"):
        tokens.by_password(login, None, SOURCE)


def test_a_verified_password_is_remembered_for_a_minute(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    checker = Passwords(world.vault, world.clock)
    stored, other = checker.hash(PASSWORD), checker.hash("An0ther-one")
    slow: list[str] = []
    verify = checker._hasher.verify

    class Counting:
        def verify(self, password_hash: str, password: str) -> bool:
            slow.append(password)
            return verify(password_hash, password)

    monkeypatch.setattr(checker, "_hasher", Counting())
    assert checker.matches(stored, PASSWORD)
    assert checker.matches(stored, PASSWORD)
    assert slow == [PASSWORD]
    assert not checker.matches(stored, "wrong")
    assert not checker.matches(stored, "wrong")
    assert not checker.matches(other, PASSWORD)
    assert not checker.matches(None, PASSWORD)
    assert len(slow) == 5
    world.clock.advance(seconds=61)
    assert checker.matches(stored, PASSWORD)
    assert len(slow) == 6


@pytest.mark.parametrize(
    ("password", "valid"),
    [
        ("Abc123", True),
        ("abc12", False),
        ("abcdef", False),
        ("123456", False),
        ("!!!!!!", False),
        ("abc def1", False),
        ("a1" * 16, True),
        ("a1" * 17, False),
        ("user.1", False),
        ("1.RESU", False),
    ],
)
def test_password_rule(password: str, valid: bool) -> None:
    if valid:
        passwords.check_password(password, "user.1")
    else:
        with refused(400, "password: "):
            passwords.check_password(password, "user.1")


def test_first_boot_writes_admin_json_once(world: World) -> None:
    path = world.settings.admin_file
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(world.admin) == [
        "access_key",
        "dds_endpoint",
        "domain_name",
        "iam_endpoint",
        "password",
        "project_id",
        "project_name",
        "region",
        "secret_key",
        "security_group_id",
        "subnet_id",
        "tls_authority",
        "user_name",
        "vpc_id",
    ]
    moved = world.settings.model_copy(update={"region": "elsewhere", "port": 1234})
    bootstrap(moved, world.database, world.vault)
    assert json.loads(path.read_text()) == world.admin | {
        "region": "elsewhere",
        "dds_endpoint": "http://127.0.0.1:1234",
    }
    path.write_text("{broken")
    with pytest.raises(SettingsError, match=r"admin\.json"):
        bootstrap(world.settings, world.database, world.vault)


def test_presets_and_an_interrupted_first_boot(tmp_path: Any) -> None:
    (tmp_path / "admin.json").write_text('{"password": "Left-over1", "secret_key": "left"}')
    made = make_world(tmp_path, Clock(), domain_name="acme", access_key="PRESET", region="eu-de")
    assert made.admin["domain_name"] == "acme"
    assert made.admin["project_name"] == "eu-de"
    assert made.admin["password"] == "Left-over1"
    assert (made.admin["access_key"], made.admin["secret_key"]) == ("PRESET", "left")
    assert admin_token(made).caller.administers
    made.database.close()


def test_temporary_keys_open_for_their_key_only_and_expire(world: World) -> None:
    temporary = world.iam.temporary_keys
    caller = new_user(world, "temp.user", DDS_READ_ONLY.id)
    key = temporary.create(caller, 900)
    assert temporary.open(key.security_token, key.access_key) == key
    assert key.secret_key not in repr(key)
    with refused(401, "another access key"):
        temporary.open(key.security_token, "OTHER")
    with refused(401, "not valid"):
        temporary.open(key.security_token[:-8] + "AAAAAAA=", key.access_key)
    world.clock.advance(seconds=900)
    with refused(401, "security token expires"):
        temporary.open(key.security_token, key.access_key)
    for seconds in (899, 86401, -1):
        with refused(400, "duration_seconds"):
            temporary.create(caller, seconds)
