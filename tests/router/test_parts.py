"""Options, topology, clock, cursors, pool, statistics: the small parts, each by itself."""

from __future__ import annotations

import asyncio
import json

import pytest
from bson import Decimal128, Int64, ObjectId, Timestamp
from bson.raw_bson import RawBSONDocument

from shardhouse.router import client_metadata
from shardhouse.router.auth.users import Users
from shardhouse.router.clock import Clock
from shardhouse.router.cursors import Cursor, Cursors
from shardhouse.router.errors import CommandError, NodeUnreachableError, ShardReplyError
from shardhouse.router.log_levels import Levels
from shardhouse.router.logs import Log
from shardhouse.router.options import OptionError, parse
from shardhouse.router.parameters import Parameters
from shardhouse.router.topology import description
from shardhouse.router.upstream.encoder import DirectCursorId, encode
from shardhouse.router.upstream.pool import Pool
from shardhouse.router.wire import raw


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "key"
    path.write_text("secretsecret")
    return str(path)


def test_options_of_mongos_are_understood(key):
    options = parse(
        f"--configdb cfg/a:1,b:2 --keyFile {key} --port 3000 --bind_ip 127.0.0.1,127.0.0.2"
        " --setParameter a=1 --setParameter b=x=y --maxConns 5 --nounixsocket".split()
    )
    assert (options.config_set, options.config_members) == ("cfg", ("a:1", "b:2"))
    assert (options.port, options.bind_ip) == (3000, ("127.0.0.1", "127.0.0.2"))
    assert options.parameters == {"a": "1", "b": "x=y"}
    assert options.max_connections == 5


@pytest.mark.parametrize(
    ("given", "read"),
    [(3, 3), (2.9, 2), ("4", 4), (Int64(5), 5), (Decimal128("6.5"), 6), (2**31 - 1, 2**31 - 1)],
)
def test_a_parameter_is_set_to_a_number(given, read):
    parameters = Parameters({"logLevel": 1}, Levels())
    assert parameters.set("logLevel", given) == 1
    assert parameters["logLevel"] == read
    assert type(parameters["logLevel"]) is int


@pytest.mark.parametrize(
    "given",
    [True, -1, 2**31, 1e300, float("inf"), Decimal128("1E+400"), Decimal128("Infinity"), "x", None,
     [], {}],
)  # fmt: skip
def test_a_parameter_is_not_set_to_anything_else(given):
    parameters = Parameters({}, Levels())
    with pytest.raises(CommandError) as refused:
        parameters.set("logLevel", given)
    assert refused.value.code == 2
    assert parameters["logLevel"] == 0


def test_a_log_put_aside_is_not_overwritten(tmp_path):
    log = Log.to(str(tmp_path / "log"), append=True)
    aside = 0
    while aside < 2:  # the name of a log put aside has the second in it
        log.note("CONTROL", f"before the rotation {aside}")
        try:
            log.rotate()
        except FileExistsError:
            continue
        aside += 1
    log.close()
    kept = [path.read_text() for path in sorted(tmp_path.iterdir()) if path.name != "log"]
    assert len(kept) == 2
    assert all(f"before the rotation {number}" in text for number, text in enumerate(kept))


def test_options_may_come_from_a_mongos_file_and_arguments_win(key, tmp_path):
    file = tmp_path / "mongos.conf"
    file.write_text(
        f"sharding: {{configDB: 'cfg/a:1'}}\nsecurity: {{keyFile: {key}}}\n"
        "net: {port: 3000, bindIp: 127.0.0.3}\nsetParameter: {x: 1}\n"
        "systemLog: {destination: file, path: /tmp/x, logAppend: true}\n"
    )
    options = parse(["--config", str(file), "--port", "3001"])
    assert (options.port, options.bind_ip, options.log_path) == (3001, ("127.0.0.3",), "/tmp/x")
    assert options.parameters == {"x": "1"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("--keyFile KEY", "--configdb is required"),
        ("--configdb a:1 --keyFile KEY", "SET/HOST:PORT"),
        ("--configdb cfg/a --keyFile KEY", "HOST:PORT"),
        ("--configdb cfg/a:1 --keyFile", "--keyFile"),
        ("--configdb cfg/a:1 --fork", "--logpath"),
        ("--configdb cfg/a:1 --keyFile /nowhere", "cannot read"),
        ("--configdb cfg/a:1 --keyFile KEY --port 70000", "--port"),
        ("--configdb cfg/a:1 --keyFile KEY --setParameter x", "NAME=VALUE"),
        ("--configdb cfg/a:1 --keyFile KEY --tlsMode requireTLS", "--tlsCertificateKeyFile"),
        ("--configdb cfg/a:1 --keyFile KEY --tlsMode maybe", "tlsMode"),
        ("--unheardOf", "unheardOf"),
    ],
)
def test_wrong_options_are_explained(arguments, complaint, key):
    with pytest.raises(OptionError, match=complaint):
        parse(arguments.replace("KEY", key).split())


def hello(state, *, hosts=("a:1", "b:1", "c:1"), election=1, **more):
    return {
        "setName": "rs", "isWritablePrimary": state == "primary",
        "secondary": state == "secondary", "hosts": list(hosts),
        "electionId": ObjectId(f"{election:024x}"), "setVersion": 1, **more,
    }  # fmt: skip


def learned(*answers):
    known = description.seeds("rs/a:1,b:1,c:1")
    for address, answer in answers:
        known = description.answered(known, address, answer, 0.001, 100.0)
    return known


def test_the_primary_is_found_and_lost():
    known = learned(("a:1", hello("primary")), ("b:1", hello("secondary")))
    assert known.primary.address == "a:1"
    assert description.failed(known, "a:1", "gone").primary is None


def test_of_two_primaries_the_later_elected_counts():
    known = learned(("a:1", hello("primary", election=1)), ("b:1", hello("primary", election=2)))
    assert known.primary.address == "b:1"
    for _ in range(2):  # the old one still believes it leads, even once the new one is gone
        known = description.answered(known, "a:1", hello("primary", election=1), 0.001, 100.0)
        assert known.members["a:1"].state == description.UNKNOWN
        known = description.failed(known, "b:1", "gone")
    assert known.primary is None


def test_a_primarys_list_of_members_replaces_ours():
    known = learned(("a:1", hello("primary", hosts=("a:1", "d:1"))))
    assert set(known.members) == {"a:1", "d:1"}


def test_a_stranger_is_not_a_member():
    known = learned(("a:1", {**hello("primary"), "setName": "other"}))
    assert known.primary is None


@pytest.mark.parametrize(
    ("preference", "expected"),
    [
        ({"mode": "primary"}, {"a:1"}),
        ({"mode": "secondary"}, {"b:1", "c:1"}),
        ({"mode": "primaryPreferred"}, {"a:1"}),
        ({"mode": "secondaryPreferred"}, {"b:1", "c:1"}),
        ({"mode": "nearest"}, {"a:1", "b:1", "c:1"}),
        ({"mode": "secondary", "tags": [{"dc": "east"}]}, {"b:1"}),
        ({"mode": "secondary", "tags": [{"dc": "no"}, {}]}, {"b:1", "c:1"}),
        ({"mode": "secondary", "tags": [{"dc": "no"}]}, set()),
        ({"mode": "secondaryPreferred", "tags": [{"dc": "no"}]}, {"a:1"}),
    ],
)
def test_read_preferences_select_members(preference, expected):
    known = learned(
        ("a:1", hello("primary")),
        ("b:1", hello("secondary", tags={"dc": "east"})),
        ("c:1", hello("secondary", tags={"dc": "west"})),
    )
    assert {member.address for member in description.select(known, preference)} == expected


def test_stale_secondaries_are_left_out():
    known = learned(
        ("a:1", hello("primary", lastWrite={"lastWriteDate": 99_000})),
        ("b:1", hello("secondary", lastWrite={"lastWriteDate": 98_000})),
        ("c:1", hello("secondary", lastWrite={"lastWriteDate": 1_000})),
    )
    preference = {"mode": "secondary", "maxStalenessSeconds": 90}
    assert [m.address for m in description.select(known, preference)] == ["b:1"]


KEYS = [
    {"_id": Int64(1), "purpose": "HMAC", "key": b"k" * 20, "expiresAt": Timestamp(50, 0)},
    {"_id": Int64(2), "purpose": "HMAC", "key": b"l" * 20, "expiresAt": Timestamp(900, 0)},
]


def clock(now=None):
    made = Clock()
    made.set_keys(KEYS)
    made.advance(now or Timestamp(100, 1))
    return made


def test_a_signed_time_is_accepted_by_another_router():
    signed = clock(Timestamp(200, 5)).for_client()
    assert signed["signature"]["keyId"] == 2
    other = clock()
    other.receive(signed, 100.0)
    assert other.now == Timestamp(200, 5)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"clusterTime": Timestamp(500, 1)}, 206),
        ({"signature": {"hash": b"\0" * 20, "keyId": Int64(2)}}, 206),
        ({"signature": {"hash": b"\0" * 20, "keyId": Int64(0)}}, 25),
        ({"signature": None}, 25),
        ({"signature": {"hash": 20, "keyId": Int64(2)}}, 14),
        ({"signature": {"hash": "text", "keyId": Int64(2)}}, 14),
        ({"signature": {"keyId": Int64(2)}}, 14),
        ({"clusterTime": 5}, 14),
    ],
)
def test_forged_times_are_refused(change, code):
    mine = clock()
    signed = {**clock(Timestamp(200, 5)).for_client(), **change}
    with pytest.raises(CommandError) as refused:
        mine.receive(signed, 100.0)
    assert refused.value.code == code
    assert mine.now == Timestamp(100, 1)


def test_no_key_proves_a_time_after_its_end():
    unending = Clock()
    unending.set_keys([{**KEYS[0], "expiresAt": Timestamp(900, 0)}])
    unending.advance(Timestamp(200, 5))
    told = unending.for_client()
    assert told["signature"]["keyId"] == 1
    with pytest.raises(CommandError) as refused:
        clock().receive(told, 100.0)
    assert refused.value.code == 25


def test_a_time_years_ahead_is_refused():
    far = clock(Timestamp(800, 1))
    far._keys = [far._keys[1]._replace(expires=Timestamp(2**32 - 1, 0))]
    far.advance(Timestamp(2**31, 1))
    mine = clock()
    mine._keys = far._keys
    with pytest.raises(CommandError) as refused:
        mine.receive(far.for_client(), 100.0)
    assert refused.value.code == 228


def test_without_access_control_a_time_needs_no_signature_but_sense():
    mine = clock()
    mine.receive({"clusterTime": Timestamp(500, 1)}, 100.0, signed=False)
    assert mine.now == Timestamp(500, 1)
    with pytest.raises(CommandError) as refused:
        mine.receive({"clusterTime": Timestamp(2**31, 1)}, 100.0, signed=False)
    assert refused.value.code == 228


def test_access_control_cannot_be_lost_by_an_empty_setting(tmp_path):
    file = tmp_path / "mongos.conf"
    file.write_text("sharding: {configDB: 'cfg/a:1'}\nsecurity: {keyFile: }\n")
    with pytest.raises(OptionError, match="keyFile"):
        parse(["--config", str(file)])
    assert not parse(["--configdb", "cfg/a:1"]).access_control


DRIVER = {"driver": {"name": "d", "version": "1"}, "os": {"type": "Linux"}}


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({**DRIVER, "more": "x" * 500}, 185),
        ({**DRIVER, "application": {"name": "x" * 129}}, 184),
        ({**DRIVER, "application": {"name": 1}}, 14),
        ({**DRIVER, "application": 1}, 14),
        ({**DRIVER, "driver": {"name": "d"}}, 183),
        ({**DRIVER, "driver": {"name": 1, "version": "1"}}, 14),
        ({"driver": DRIVER["driver"]}, 183),
        ({"os": DRIVER["os"]}, 183),
        ({**DRIVER, "os": {"type": 1}}, 14),
        (None, 14),
    ],
)
def test_what_a_driver_says_of_itself_is_judged_as_a_server_does(told, code):
    document = told and RawBSONDocument(raw.encode(told), raw.RAW)
    with pytest.raises(CommandError) as refused:
        client_metadata.read(document)
    assert refused.value.code == code


def test_what_a_driver_may_say_is_kept():
    told = {**DRIVER, "application": {"name": "x" * 128}, "platform": "CPython"}
    assert client_metadata.read(RawBSONDocument(raw.encode(told), raw.RAW)) == told


def test_a_user_read_before_a_change_is_not_remembered_after_it():
    asked, told = [], []

    async def ask(command):
        asked.append(command)
        answer = asyncio.get_running_loop().create_future()
        told.append(answer)
        return await answer

    def document(action):
        privilege = {"resource": {"db": "shop", "collection": ""}, "actions": [action]}
        return {"users": [{"user": "ann", "db": "admin", "inheritedPrivileges": [privilege]}]}

    async def scenario():
        users = Users(ask)
        early = asyncio.create_task(users.get("admin", "ann"))
        await asyncio.sleep(0)
        users.forget()
        told[0].set_result(document("insert"))
        await early
        assert users.known("admin", "ann") is None
        late = asyncio.create_task(users.get("admin", "ann"))
        await asyncio.sleep(0)
        told[1].set_result(document("find"))
        user = await late
        assert users.known("admin", "ann") is user
        assert len(asked) == 2

    asyncio.run(scenario())


def test_old_times_need_no_signature():
    mine = clock()
    mine.receive({"clusterTime": Timestamp(1, 1)}, 100.0)
    assert mine.now == Timestamp(100, 1)


def test_cursors_are_numbered_afresh_and_forgotten():
    cursors = Cursors()
    number = cursors.new_id()
    lsid = {"id": b"s" * 16}
    cursor = Cursor(
        number, DirectCursorId(5), "a:1", "s0", "db", "c", "db.c", ("admin", "u"), lsid, []
    )
    cursors.add(cursor)
    assert cursors.get(number) is cursor
    assert cursors.of_session(b"s" * 16) == [cursor]
    assert cursors.of_session(b"t" * 16) == []
    assert cursors.idle(cursor.touched + 599, 600) == []
    assert cursors.idle(cursor.touched + 601, 600) == [cursor]
    cursors.remove(cursor)
    assert cursors.get(number) is None


class FakeConnection:
    def __init__(self):
        self.closed = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def request(self, command):
        await self.gate.wait()
        if self.closed:
            raise NodeUnreachableError("a:1", self.closed)
        return {"ok": 1}

    def close(self, reason):
        self.closed = reason


def test_a_pool_reuses_limits_and_recovers():
    opened = []

    async def open_one():
        opened.append(FakeConnection())
        return opened[-1]

    ping = encode({"ping": 1}, "admin")

    async def story():
        pool = Pool(open_one, limit=2)
        await pool.request(ping)
        await pool.request(ping)
        assert (len(opened), pool.idle) == (1, 1)
        opened[0].gate.clear()
        running = [asyncio.create_task(pool.request(ping)) for _ in range(4)]
        await asyncio.sleep(0)
        assert pool.in_use <= 2
        opened[0].gate.set()
        await asyncio.gather(*running)
        assert len(opened) == 2
        opened[0].closed = opened[1].closed = "broken"
        await pool.request(ping)
        assert len(opened) == 3
        assert pool.in_use == 0

    asyncio.run(story())


def test_error_replies_have_the_servers_shape():
    error = CommandError(26, "no such thing", labels=["X"])
    assert error.document == {
        "ok": 0.0, "errmsg": "no such thing", "code": 26, "codeName": "NamespaceNotFound",
        "errorLabels": ["X"],
    }  # fmt: skip
    passed_on = ShardReplyError({"ok": 0.0, "code": 7, "errmsg": "m", "errorLabels": ["A"]})
    passed_on.labels.append("B")
    assert passed_on.document["errorLabels"] == ["A", "B"]


def test_log_lines_are_json(tmp_path):
    log = Log.to(str(tmp_path / "log"), append=False)
    log.note("NETWORK", "Something happened", "conn1", port=5)
    log.close()
    event = json.loads((tmp_path / "log").read_text())
    assert (event["s"], event["c"], event["ctx"], event["attr"]) == (
        "I", "NETWORK", "conn1", {"port": 5},
    )  # fmt: skip


INI = """
# as mongo-orchestration writes it
configdb=cfg/a:1,b:2
port = 3000
logpath=/tmp/router.log
logappend=true
fork=false
setParameter = enableTestCommands=1
setParameter = x = y=z
bind_ip=127.0.0.1,::1
ipv6=true
verbose=vv
networkMessageCompressors=zstd,zlib,snappy,noop
"""


def test_options_may_come_from_a_file_of_the_old_form(tmp_path):
    file = tmp_path / "conf"
    file.write_text(INI)
    options = parse(["--config", str(file), "--port", "3001"])
    assert (options.config_set, options.config_members) == ("cfg", ("a:1", "b:2"))
    assert (options.port, options.bind_ip) == (3001, ("127.0.0.1", "::1"))
    assert (options.log_append, options.fork) == (True, False)
    assert options.parameters == {"enableTestCommands": "1", "x": "y=z", "logLevel": "2"}
    assert options.compressors == ("zstd", "zlib", "snappy")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [("nope=1", "nope"), ("logappend=maybe", "must be true or false"), ("port=x", "port")],
)
def test_wrong_options_in_a_file_of_the_old_form(line, complaint, tmp_path):
    file = tmp_path / "conf"
    file.write_text(f"configdb=cfg/a:1\n{line}\n")
    with pytest.raises(OptionError, match=complaint):
        parse(["--config", str(file)])


@pytest.mark.parametrize(
    ("arguments", "level"), [(["-v"], "1"), (["-vvv"], "3"), (["--verbose"], "1")]
)
def test_how_much_is_logged_is_an_option(arguments, level):
    assert parse(["--configdb", "cfg/a:1", *arguments]).parameters == {"logLevel": level}
