"""Every rule of a create request, as a table: what is changed, which error comes, what it names."""

from typing import Any

import pytest

from shardhouse.domain.creation import CreateRequest, Limits, parse_create
from shardhouse.domain.dialect import DIALECTS
from shardhouse.domain.model import BackupStrategy, GroupType
from shardhouse.errors import DdsError
from tests import requests

VERSIONS = ("3.2", "3.4", "3.6", "4.0", "4.2", "4.4", "5.0", "6.0")
MISSING = object()


def limits(dialect: str = "otc", **changes: Any) -> Limits:
    given: dict[str, Any] = {
        "dialect": DIALECTS[dialect],
        "versions": VERSIONS,
        "regions": (),
        "zones": (),
        "tls_default": False,
    }
    return Limits(**given | changes)


def parse(body: object, dialect: str = "otc", **changes: Any) -> CreateRequest:
    return parse_create(body, limits(dialect, **changes))


def flavors(kind: str, **changes: Any) -> list[dict[str, Any]]:
    """The cluster's flavors with one entry changed; MISSING drops a key."""
    found = []
    for entry in requests.CLUSTER["flavor"]:
        merged = entry | changes if entry["type"] == kind else entry
        found.append({key: value for key, value in merged.items() if value is not MISSING})
    return found


def datastore(**changes: Any) -> dict[str, Any]:
    return requests.CLUSTER["datastore"] | changes


def backups(**changes: Any) -> dict[str, Any]:
    return {"start_time": "08:00-09:00", "keep_days": 7} | changes


def test_documented_example_is_accepted() -> None:
    documented = {"start_time": "08:15-09:15", "keep_days": "8"}
    request = parse(requests.CLUSTER | {"backup_strategy": documented})
    assert [(group.type, group.number, group.size) for group in request.groups] == [
        (GroupType.MONGOS, 2, 0),
        (GroupType.SHARD, 2, 20),
        (GroupType.CONFIG, 1, 20),
    ]
    assert request.backup_strategy == BackupStrategy("08:15-09:15", 8)
    assert request.password == "Test@123"
    assert "password" not in request.echo
    assert request.echo["disk_encryption_id"] == requests.CLUSTER["disk_encryption_id"]
    assert (request.port, request.ssl) == (8635, False)


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        # name
        ({"name": "abc"}, "DBS.280234", "name"),
        ({"name": "a" * 65}, "DBS.280234", "name"),
        ({"name": "1abc"}, "DBS.280234", "name"),
        ({"name": "ab c"}, "DBS.280234", "name"),
        ({"name": "abcd\n"}, "DBS.280234", "name"),
        ({"name": 12345}, "DBS.280234", "name"),
        ({"name": None}, "DBS.280234", "name"),
        # datastore
        ({"datastore": None}, "DBS.280446", "datastore"),
        ({"datastore": "DDS-Community"}, "DBS.280446", "datastore"),
        ({"datastore": datastore(type="MySQL")}, "DBS.280235", "datastore.type"),
        ({"datastore": datastore(version="9.9")}, "DBS.280236", "datastore.version"),
        ({"datastore": datastore(version=3.4)}, "DBS.280236", "datastore.version"),
        ({"datastore": datastore(version="4.4")}, "DBS.280122", "datastore.storage_engine"),
        (
            {"datastore": datastore(storage_engine="rocksDB")},
            "DBS.280122",
            "datastore.storage_engine",
        ),
        # place
        ({"region": ""}, "DBS.200024", "region"),
        ({"region": None}, "DBS.200024", "region"),
        ({"availability_zone": ""}, "DBS.280244", "availability_zone"),
        ({"availability_zone": "a,,b"}, "DBS.280244", "availability_zone"),
        ({"availability_zone": "a,a"}, "DBS.280244", "availability_zone"),
        ({"vpc_id": "vpc"}, "DBS.280247", "vpc_id"),
        ({"vpc_id": None}, "DBS.280247", "vpc_id"),
        ({"subnet_id": "x"}, "DBS.280248", "subnet_id"),
        ({"security_group_id": 1}, "DBS.280249", "security_group_id"),
        ({"disk_encryption_id": "key"}, "DBS.280438", "disk_encryption_id"),
        # port
        ({"port": "abc"}, "DBS.200059", "port"),
        ({"port": True}, "DBS.200059", "port"),
        ({"port": "2099"}, "DBS.200060", "port"),
        ({"port": 9501}, "DBS.200060", "port"),
        ({"port": "27020"}, "DBS.200060", "port"),
        # password
        ({"password": "Te@1"}, "DBS.200052", "password"),
        ({"password": "Test@123" * 5}, "DBS.200052", "password"),
        ({"password": "Test@ 123"}, "DBS.280200", "password"),
        ({"password": "Test$123"}, "DBS.280200", "password"),
        ({"password": "Test@123é"}, "DBS.280200", "password"),
        ({"password": "test@123"}, "DBS.200068", "password"),
        ({"password": "TEST@123"}, "DBS.200068", "password"),
        ({"password": "Test@abc"}, "DBS.200068", "password"),
        ({"password": "Test1234"}, "DBS.200068", "password"),
        ({"password": 12345678}, "DBS.200052", "password"),
        # mode
        ({"mode": "sharding"}, "DBS.280342", "mode"),
        ({"mode": None}, "DBS.280342", "mode"),
        # flavors
        ({"flavor": None}, "DBS.200001", "flavor"),
        ({"flavor": []}, "DBS.280327", "flavor"),
        ({"flavor": flavors("mongos")[:2]}, "DBS.280327", "flavor"),
        ({"flavor": flavors("shard") + flavors("shard")[:1]}, "DBS.280414", "flavor[3].type"),
        ({"flavor": flavors("shard", type="replica")}, "DBS.280414", "flavor[1].type"),
        ({"flavor": flavors("mongos", num=1)}, "DBS.280123", "flavor[0].num"),
        ({"flavor": flavors("mongos", num="33")}, "DBS.280123", "flavor[0].num"),
        ({"flavor": flavors("mongos", num=2.5)}, "DBS.280123", "flavor[0].num"),
        ({"flavor": flavors("mongos", num=MISSING)}, "DBS.280123", "flavor[0].num"),
        ({"flavor": flavors("shard", num=1)}, "DBS.280123", "flavor[1].num"),
        ({"flavor": flavors("config", num=2)}, "DBS.280123", "flavor[2].num"),
        ({"flavor": flavors("shard", size=5)}, "DBS.280242", "flavor[1].size"),
        ({"flavor": flavors("shard", size=2010)}, "DBS.280242", "flavor[1].size"),
        ({"flavor": flavors("shard", size=25)}, "DBS.200302", "flavor[1].size"),
        ({"flavor": flavors("shard", size=MISSING)}, "DBS.280242", "flavor[1].size"),
        ({"flavor": flavors("config", size=30)}, "DBS.280242", "flavor[2].size"),
        ({"flavor": flavors("shard", storage="FLOPPY")}, "DBS.280241", "flavor[1].storage"),
        ({"flavor": flavors("shard", storage="EXTREMEHIGH")}, "DBS.280241", "flavor[1].storage"),
        ({"flavor": flavors("shard", spec_code="x")}, "DBS.280239", "flavor[1].spec_code"),
        (
            {"flavor": flavors("shard", spec_code="dds.mongodb.s2.medium.4.mongos")},
            "DBS.280239",
            "flavor[1].spec_code",
        ),
        (
            {"flavor": flavors("shard", spec_code="dds.mongodb.c3.large.4.shard")},
            "DBS.280267",
            "flavor.spec_code",
        ),
        # backups
        ({"backup_strategy": {}}, "DBS.280216", "backup_strategy.start_time"),
        (
            {"backup_strategy": {"start_time": "08:10-09:10"}},
            "DBS.280216",
            "backup_strategy.start_time",
        ),
        (
            {"backup_strategy": {"start_time": "08:00-10:00"}},
            "DBS.280216",
            "backup_strategy.start_time",
        ),
        (
            {"backup_strategy": {"start_time": "24:00-01:00"}},
            "DBS.280216",
            "backup_strategy.start_time",
        ),
        (
            {"backup_strategy": {"start_time": "08:00-09:00", "keep_days": 733}},
            "DBS.280214",
            "backup_strategy.keep_days",
        ),
        (
            {"backup_strategy": {"start_time": "08:00-09:00", "keep_days": -1}},
            "DBS.280214",
            "backup_strategy.keep_days",
        ),
        (
            {"backup_strategy": {"keep_days": 0, "start_time": "24:00-01:00"}},
            "DBS.280216",
            "backup_strategy.start_time",
        ),
        ({"backup_strategy": backups(period="1,8")}, "DBS.280215", "backup_strategy.period"),
        ({"backup_strategy": backups(period="1,1")}, "DBS.280215", "backup_strategy.period"),
        ({"backup_strategy": backups(period=[1])}, "DBS.280215", "backup_strategy.period"),
        (
            {"backup_strategy": backups(period="1,2,3", keep_days=6)},
            "DBS.280215",
            "backup_strategy.period",
        ),
        # the rest
        ({"ssl_option": "2"}, "DBS.239011", "ssl_option"),
        ({"ssl_option": True}, "DBS.239011", "ssl_option"),
        ({"tags": [{"key": f"k{n}", "value": ""} for n in range(21)]}, "DBS.280484", "tags"),
        ({"tags": [{"key": "", "value": ""}]}, "DBS.280482", "tags[0].key"),
        ({"tags": [{"key": "k" * 37, "value": ""}]}, "DBS.280482", "tags[0].key"),
        ({"tags": [{"key": "a b", "value": ""}]}, "DBS.280482", "tags[0].key"),
        ({"tags": [{"key": "k"}, {"key": "k"}]}, "DBS.280482", "tags[1].key"),
        ({"tags": [{"key": "k", "value": "v" * 44}]}, "DBS.280483", "tags[0].value"),
        ({"tags": [{"key": "k", "value": "a b"}]}, "DBS.280483", "tags[0].value"),
        ({"tags": [{"key": "k", "value": "a/b"}]}, "DBS.280483", "tags[0].value"),
        ({"tags": [{"key": " ", "value": ""}]}, "DBS.280482", "tags[0].key"),
        ({"tags": "k=v"}, "DBS.200001", "tags"),
        ({"charge_info": {"charge_mode": "prePaid"}}, "DBS.280365", "charge_info.charge_mode"),
        ({"server_group_policies": ["affinity"]}, "DBS.280469", "server_group_policies"),
    ],
)
def test_rule(changes: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(DdsError) as caught:
        parse(requests.cluster(**changes))
    assert (caught.value.code, caught.value.status) == (code, 400)
    assert caught.value.message.startswith(field)


@pytest.mark.parametrize("body", [None, [], "text", 3])
def test_a_body_that_is_no_object_is_refused(body: object) -> None:
    with pytest.raises(DdsError, match="body: an object is required"):
        parse(body)


@pytest.mark.parametrize("password", ["Te@1", "Test@ 123", "test@123", "X" * 40])
def test_no_message_repeats_the_password(password: str) -> None:
    with pytest.raises(DdsError) as caught:
        parse(requests.cluster(password=password))
    assert password not in caught.value.message


@pytest.mark.parametrize(
    ("changes", "dialect"),
    [
        ({"port": "27017"}, "otc"),
        ({"port": 2100}, "otc"),
        ({"backup_strategy": {"start_time": "23:00-00:00", "keep_days": 0}}, "otc"),
        ({"flavor": flavors("mongos", num="32")}, "otc"),
        ({"flavor": flavors("shard", size="2000", num=16)}, "huawei"),
        ({"flavor": flavors("shard", storage="EXTREMEHIGH")}, "huawei"),
        ({"flavor": flavors("mongos", storage="whatever", size="x")}, "otc"),
        ({"backup_strategy": {"keep_days": 0}}, "otc"),
        ({"backup_strategy": {"keep_days": "0", "start_time": ""}}, "huawei"),
        ({"backup_strategy": backups(period="7,1")}, "otc"),
        ({"backup_strategy": backups(period="1,2,3,4,5,6,7", keep_days=1)}, "huawei"),
        ({"backup_strategy": backups(period="")}, "otc"),
        ({"tags": [{"key": "k", "value": ""}, {"key": "键", "value": "值-1"}]}, "otc"),
        ({"disk_encryption_id": "", "enterprise_project_id": "", "dss_pool_id": ""}, "otc"),
        ({"charge_info": {"charge_mode": "postPaid"}}, "huawei"),
        ({"disk_encryption_id": None, "port": None, "ssl_option": None, "tags": None}, "otc"),
        ({"datastore": datastore(version="4.4", storage_engine="rocksDB")}, "otc"),
        ({"datastore": datastore(version="4.4", storage_engine="wiredTiger")}, "huawei"),
        ({"datastore": {"type": "DDS-Community", "version": "6.0"}}, "otc"),
        ({"availability_zone": "az1,az2,az3"}, "otc"),
        ({"future_field": {"kept": True}}, "otc"),
    ],
)
def test_accepted(changes: dict[str, Any], dialect: str) -> None:
    parse(requests.cluster(**changes), dialect)


@pytest.mark.parametrize(
    ("tag", "dialect", "code"),
    [
        ({"key": "a@b", "value": "c@d"}, "otc", None),
        ({"key": "a@b", "value": ""}, "huawei", "DBS.280482"),
        ({"key": "k", "value": "c@d"}, "huawei", "DBS.280483"),
        ({"key": "k", "value": "1.0"}, "huawei", None),
        ({"key": "a.b", "value": ""}, "huawei", "DBS.280482"),
        ({"key": "k", "value": "1.0"}, "otc", "DBS.280483"),
        ({"key": "a/b", "value": ""}, "huawei", "DBS.280482"),
    ],
)
def test_characters_of_tags_depend_on_the_dialect(
    tag: dict[str, str], dialect: str, code: str | None
) -> None:
    if code is None:
        assert parse(requests.cluster(tags=[tag]), dialect).tags == ((tag["key"], tag["value"]),)
    else:
        with pytest.raises(DdsError) as caught:
            parse(requests.cluster(tags=[tag]), dialect)
        assert caught.value.code == code


def test_spaces_around_tags_do_not_count() -> None:
    request = parse(requests.cluster(tags=[{"key": " k ", "value": " v "}]))
    assert request.tags == (("k", "v"),)


@pytest.mark.parametrize("dialect", ["otc", "huawei"])
def test_patch_levels_and_wider_passwords_are_in_neither_dialect(dialect: str) -> None:
    """Both documents list `4.0` alone, and `()$` for other passwords than a new instance's."""
    with pytest.raises(DdsError) as version:
        parse(requests.cluster(datastore=datastore(version="4.0.3")), dialect)
    with pytest.raises(DdsError) as password:
        parse(requests.cluster(password="Test(123)$"), dialect)
    assert (version.value.code, password.value.code) == ("DBS.280236", "DBS.280200")


def test_the_days_of_backups_are_kept() -> None:
    request = parse(requests.cluster(backup_strategy=backups(period="1,3")))
    assert request.backup_strategy == BackupStrategy("08:00-09:00", 7, "1,3")


def test_without_backups_no_window_is_needed() -> None:
    request = parse(requests.cluster(backup_strategy={"keep_days": 0}))
    assert request.backup_strategy == BackupStrategy(keep_days=0)


def test_empty_ids_are_absent() -> None:
    request = parse(requests.cluster(disk_encryption_id="", enterprise_project_id=""))
    assert {"disk_encryption_id", "enterprise_project_id"}.isdisjoint(request.echo)


def test_a_wrong_enterprise_project_is_forbidden() -> None:
    with pytest.raises(DdsError) as caught:
        parse(requests.cluster(enterprise_project_id=7))
    assert (caught.value.code, caught.value.status) == ("DBS.280433", 403)


def test_unknown_fields_are_kept_and_nulls_are_absent() -> None:
    request = parse(requests.cluster(future_field={"kept": True}, enterprise_project_id=None))
    assert request.echo["future_field"] == {"kept": True}
    assert "enterprise_project_id" not in request.echo


@pytest.mark.parametrize(
    ("dialect", "number", "accepted"),
    [
        ("otc", 1, True),
        ("otc", 3, True),
        ("otc", 5, False),
        ("huawei", 1, False),
        ("huawei", 3, True),
        ("huawei", 5, True),
        ("huawei", 7, True),
        ("huawei", 9, False),
    ],
)
def test_replica_members_depend_on_the_dialect(dialect: str, number: int, accepted: bool) -> None:
    body = requests.replica_set()
    body["flavor"] = [body["flavor"][0] | {"num": number}]
    if accepted:
        assert parse(body, dialect).groups[0].number == number
    else:
        with pytest.raises(DdsError) as caught:
            parse(body, dialect)
        assert caught.value.code == "DBS.280123"


def test_more_than_16_mongos_only_in_otc() -> None:
    body = requests.cluster(flavor=flavors("mongos", num=17))
    assert parse(body).groups[0].number == 17
    with pytest.raises(DdsError, match="2 to 16 is allowed for mongos, got 17"):
        parse(body, "huawei")


def test_single_is_not_offered_with_5_0() -> None:
    body = requests.single(datastore=datastore(version="5.0", storage_engine="rocksDB"))
    with pytest.raises(DdsError) as caught:
        parse(body)
    assert caught.value.code == "DBS.280342"


def test_listed_regions_and_zones_are_enforced() -> None:
    with pytest.raises(DdsError) as region:
        parse(requests.CLUSTER, regions=("eu",))
    with pytest.raises(DdsError) as zone:
        parse(requests.CLUSTER, zones=("z1", "z2"))
    assert (region.value.code, zone.value.code) == ("DBS.200024", "DBS.280244")


def test_absent_ssl_option_means_what_the_setting_says() -> None:
    assert parse(requests.CLUSTER, tls_default=True).ssl is True
    assert parse(requests.cluster(ssl_option="0"), tls_default=True).ssl is False
    assert parse(requests.cluster(ssl_option="1")).ssl is True
