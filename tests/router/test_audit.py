"""The router's audit log: what is in it, what never is, and how it is switched."""

from __future__ import annotations

import json

import pytest
from pymongo.errors import OperationFailure

from shardhouse.router import audit
from shardhouse.router.options import OptionError, parse
from tests.router.cluster import KEY, until

EVERYTHING = {"include": None, "exclude": ["hello", "ping"], "scope": None, "logins": True}


class Audited:
    """A router with an audit log."""

    def __init__(self, cluster, folder):
        self.folder = folder
        self.filter, self.path = folder / "filter.json", folder / "audit.log"
        self.use(EVERYTHING)
        self._cluster = cluster
        self.start()

    def start(self):
        options = ("--auditFilterFile", str(self.filter), "--auditPath", str(self.path))
        self.router = self._cluster.start_router(*options)

    def use(self, wanted):
        new = self.folder / "new.json"
        new.write_text(json.dumps(wanted))
        new.rename(self.filter)

    def switched(self, times):
        """Wait until auditing was switched so often."""
        said = '"Audit filter read"'
        until("it to be switched", lambda: self.router.log.read_text().count(said) >= times)

    @property
    def text(self):
        return self.path.read_text() if self.path.exists() else ""

    @property
    def entries(self):
        found = [json.loads(line) for line in self.text.splitlines()]
        return [entry for entry in found if entry["atype"] != "auditConfigure"]

    def find(self, command, db, number=1, **more):
        """The entries of a command in a test's database, once there are so many."""

        def wanted():
            found = [
                e
                for e in self.entries
                if e["param"].get("command") == command
                and e["param"]["ns"].startswith(f"{db.name}.")
                and all(e[key] == value for key, value in more.items())
            ]
            return found if len(found) >= number else None

        return until(f"{command} in the audit log", wanted)


@pytest.fixture(scope="module")
def audited(cluster, tmp_path_factory):
    made = Audited(cluster, tmp_path_factory.mktemp("audit"))
    yield made
    assert made.router.stop() == 0


@pytest.fixture
def client(audited):
    with audited.router.client() as client:
        yield client


def test_an_entry_has_the_fields_of_mongodb_s_own(audited, client, db):
    client[db.name].c.insert_one({"_id": 1, "card": "4111"})
    entry = audited.find("insert", db)[-1]
    assert set(entry) == {
        "atype", "ts", "local", "remote", "users", "roles", "param", "result",
    }  # fmt: skip
    assert (entry["atype"], entry["result"]) == ("authCheck", 0)
    assert entry["users"] == [{"user": "root", "db": "admin"}]
    assert entry["roles"] == [{"role": "root", "db": "admin"}]
    assert entry["local"] == {"ip": "127.0.0.1", "port": audited.router.port}
    assert entry["remote"]["ip"] == "127.0.0.1"
    assert entry["param"]["ns"] == f"{db.name}.c"
    assert entry["param"]["args"] == {"insert": "c", "ordered": True}


def test_both_ways_of_a_command_are_audited(audited, client, db):
    """The fast path takes these finds and writes once it knows routing and user."""
    collection = client[db.name].ways
    for key in range(20):
        collection.insert_one({"_id": key})
        collection.update_one({"_id": key}, {"$set": {"a": key}})
        assert collection.find_one({"_id": key}) == {"_id": key, "a": key}
        collection.delete_one({"_id": key})
    shown = {
        name: [e["param"]["args"] for e in audited.find(name, db, 20)]
        for name in ("insert", "update", "find", "delete")
    }
    assert {name: len(found) for name, found in shown.items()} == dict.fromkeys(shown, 20)
    keys = [{"_id": key} for key in range(20)]
    assert [args["filter"] for args in shown["find"]] == keys
    assert [args["updates"][0]["q"] for args in shown["update"]] == keys
    assert shown["update"][-1]["updates"][0]["u"] == {"$set": {"a": 19}}
    assert [args["deletes"][0]["q"] for args in shown["delete"]] == keys


def test_refusals_have_their_code(audited, client, db):
    client[db.name].command("createUser", "reader", pwd="Reader@99", roles=[])
    try:
        where = {"authSource": db.name}
        with (
            audited.router.client("reader", "Reader@99", **where) as reader,
            pytest.raises(OperationFailure),
        ):
            reader[db.name].c.find_one({})
        assert audited.find("find", db, result=13)[-1]["users"] == [
            {"user": "reader", "db": db.name}
        ]
        with (
            audited.router.client("reader", "wrong", **where) as stranger,
            pytest.raises(OperationFailure),
        ):
            stranger[db.name].c.find_one({})
        logins = until(
            "a failed login",
            lambda: [e for e in audited.entries if e["atype"] == "authenticate" and e["result"]],
        )
        assert logins[-1]["result"] == 18
        assert logins[-1]["param"]["user"] == "reader"
        assert logins[-1]["users"] == []
        good = [e for e in audited.entries if e["atype"] == "authenticate" and not e["result"]]
        assert {"user": "reader", "db": db.name, "mechanism": "SCRAM-SHA-256"} in [
            e["param"] for e in good
        ]
    finally:
        client[db.name].command("dropUser", "reader")


def test_secrets_are_in_no_entry(audited, client, db):
    client[db.name].command("createUser", "teller", pwd="Teller@1234", roles=[])
    client[db.name].command("updateUser", "teller", pwd="Teller@5678")
    client[db.name].command("dropUser", "teller")
    assert audited.find("createUser", db)[-1]["param"]["args"]["pwd"] == "xxx"
    audited.find("dropUser", db)
    assert "Teller@" not in audited.text


def test_the_service_itself_is_in_no_entry_but_who_pretends_to_be_it_is(audited, client, db):
    with audited.router.client("__system", KEY, authSource="local") as own:
        own.admin.command("serverStatus")
    with (
        audited.router.client("__system", "wrong" + KEY, authSource="local") as other,
        pytest.raises(OperationFailure),
    ):
        other.admin.command("serverStatus")

    def tried():
        return [
            entry
            for entry in audited.entries
            if entry["atype"] == "authenticate" and entry["param"]["user"] == "__system"
        ] or None

    (failed,) = until("the failed login", tried)
    assert failed["result"] == 18
    assert not [e for e in audited.entries if e["param"].get("command") == "serverStatus"]


def test_a_command_that_is_unknown_is_named_only(audited, client, db):
    with pytest.raises(OperationFailure):
        client[db.name].command("nonsense", "a", pwd="Secret@1")
    assert audited.find("nonsense", db, result=59)[-1]["param"]["args"] == {}
    assert "Secret@1" not in audited.text


def test_a_large_command_is_not_shown(audited, client, db):
    assert client[db.name].c.find_one({"a": "x" * 20_000}) is None
    assert audited.find("find", db)[-1]["param"]["args"]["truncated"] > 20_000


def test_odd_values_are_json(audited, client, db):
    query = {"a": float("nan"), "b": b"\0", "c": {"$gt": 1}}
    assert client[db.name].odd.find_one(query) is None
    shown = audited.find("find", db)[-1]["param"]["args"]["filter"]
    assert shown["a"] == {"$numberDouble": "NaN"}
    assert shown["b"]["$binary"]["base64"] == "AA=="


def test_what_is_audited_changes_without_a_restart(audited, client, db):
    collection = client[db.name].c
    audited.use(None)
    audited.switched(2)
    collection.insert_one({"_id": "silent"})
    scope = [f"{db.name}.loud"]
    audited.use({"include": ["insert"], "exclude": [], "scope": scope, "logins": False})
    audited.switched(3)
    before = len(audited.entries)
    collection.insert_one({"_id": "quiet"})
    client[db.name].loud.find_one({})
    client[db.name].loud.insert_one({})
    until("one entry more", lambda: len(audited.entries) > before)
    assert [e["param"]["ns"] for e in audited.entries[before:]] == scope
    audited.use(EVERYTHING)
    until(
        "all to be audited again",
        lambda: collection.find_one({}) and len(audited.entries) > before + 1,
    )


def test_a_cut_line_is_removed_at_the_next_start(audited, db):
    with audited.router.client() as client:
        client[db.name].c.find_one({"mark": "before"})
        audited.find("find", db)
    audited.router.kill()
    with audited.path.open("a") as file:
        file.write('{"atype":"authCh')
    audited.start()
    with audited.router.client() as client:
        client[db.name].c.find_one({"mark": "after"})
        until("the entry", lambda: '"after"' in audited.text)
    assert audited.entries[-1]["param"]["args"]["filter"] == {"mark": "after"}


def test_a_file_that_has_grown_is_put_aside(tmp_path, monkeypatch):
    filter_file, path = tmp_path / "filter.json", tmp_path / "audit.log"
    filter_file.write_text("null")
    monkeypatch.setattr(audit, "_ROLL", 1)
    made = audit.Audit(str(filter_file), str(path), log=Silent())
    (configured,) = tmp_path.glob("audit.log.*")
    assert json.loads(configured.read_text())["param"] == {"config": None}
    configured.unlink()
    for number in range(2):
        made._waiting.append(audit._Entry("logout", number, '"local":{}', "{}", 0))
        made.flush()
    assert not path.exists()
    written = [json.loads(file.read_text()) for file in sorted(tmp_path.glob("audit.log.*"))]
    assert [entry["ts"]["$date"] for entry in written] == [
        "1970-01-01T00:00:00.000+00:00",
        "1970-01-01T00:00:01.000+00:00",
    ]


class Silent:
    """A log that nobody reads."""

    def note(self, *_, **__):
        """Nothing."""


def test_both_options_go_together():
    with pytest.raises(OptionError, match="go together"):
        parse(["--configdb", "c/a:1", "--auditPath", "/tmp/audit.log"])
