"""Parameter templates and parameters of instances through the official SDK, and what MongoDB's
servers then have."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkdds import v3
from huaweicloudsdkdds.v3 import DdsClient
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from tests import requests
from tests.clients.test_huaweicloudsdk import signed
from tests.installation import Installation, uri

Made = dict[str, Any]
VERSION = requests.CLUSTER["datastore"]["version"]
CONNECTIONS = "net.maxIncomingConnections"
SLOW = "operationProfiling.slowOpThresholdMs"
CACHE = "storage.wiredTiger.engineConfig.cacheSizePct"
JAVASCRIPT = "security.javascriptEnabled"


@pytest.fixture(scope="module")
def client(installation: Installation) -> DdsClient:
    return signed(installation)


def refusal(work: Callable[[], object]) -> str:
    with pytest.raises(ClientRequestException) as refused:
        work()
    return str(refused.value.error_code)


def create(client: DdsClient, name: str, node_type: str = "", **given: Any) -> str:
    """A new template's id."""
    datastore = v3.DatastoreResult(node_type, VERSION) if node_type else None
    body = v3.CreateConfigurationRequestBody(name, datastore=datastore, **given)
    answer = client.create_configuration(v3.CreateConfigurationRequest(body))
    return answer.configuration.id


def delete(client: DdsClient, config_id: str) -> None:
    client.delete_configuration(v3.DeleteConfigurationRequest(config_id))


def update(client: DdsClient, config_id: str, **given: Any) -> None:
    body = v3.UpdateConfigurationParameterRequestBody(**given)
    client.update_configuration_parameter(v3.UpdateConfigurationParameterRequest(config_id, body))


def template(client: DdsClient, config_id: str) -> dict[str, str]:
    request = v3.ShowConfigurationParameterRequest(config_id)
    shown = client.show_configuration_parameter(request)
    return {one.name: one.value for one in shown.parameters}


def system(client: DdsClient, node_type: str) -> Any:
    listed = client.list_configurations(v3.ListConfigurationsRequest())
    (found,) = [
        one
        for one in listed.configurations
        if (one.node_type, one.datastore_version) == (node_type, VERSION) and not one.user_defined
    ]
    return found


def compare(client: DdsClient, one: str, other: str) -> dict[str, tuple[str, str]]:
    request = v3.CompareConfigurationRequest(v3.DiffConfigurationRequest(one, other))
    found = client.compare_configuration(request).differences
    return {each.parameter_name: (each.source_value, each.target_value) for each in found}


def shown(client: DdsClient, made: Made, entity_id: str = "") -> dict[str, str]:
    request = v3.ShowEntityConfigurationRequest(made["id"], entity_id or made["id"])
    found = client.show_entity_configuration(request)
    return {one.name: one.value for one in found.parameters}


def pending(installation: Installation, made: Made, entity_id: str = "") -> dict[str, str]:
    path = f"/instances/{made['id']}/configurations"
    answer = installation.call("GET", path, params={"entity_id": entity_id or made["id"]}).json()
    return {
        one["name"]: one["pending_value"] for one in answer["parameters"] if "pending_value" in one
    }


def put(
    installation: Installation,
    client: DdsClient,
    made: Made,
    values: dict[str, Any],
    entity_id: str = "",
) -> bool:
    """Set parameters, and wait until it is done; whether a restart is required."""
    body = v3.UpdateConfigurationParameterResult(entity_id or made["id"], values)
    request = v3.UpdateEntityConfigurationRequest(made["id"], body)
    answer = client.update_entity_configuration(request)
    job = installation.wait_job(answer.job_id)
    assert job["status"] == "Completed", job
    return bool(answer.restart_required)


def apply(installation: Installation, client: DdsClient, config_id: str, *entities: str) -> None:
    body = v3.ApplyConfigurationRequestBody(list(entities))
    answer = client.switch_configuration(v3.SwitchConfigurationRequest(config_id, body))
    job = installation.wait_job(answer.job_id)
    assert job["status"] == "Completed", job


def restart(installation: Installation, made: Made, target_id: str = "") -> None:
    path = f"/instances/{made['id']}/restart"
    answer = installation.call("POST", path, json={"target_id": target_id or made["id"]})
    job = installation.wait_job(answer.json()["job_id"])
    assert job["status"] == "Completed", job


def nodes(made: Made, kind: str) -> list[dict[str, Any]]:
    return [node for group in made["groups"] if group["type"] == kind for node in group["nodes"]]


def told(installation: Installation, made: Made, hosts: list[str], name: str) -> list[Any]:
    """What servers say of a parameter of theirs."""
    with installation.system(made) as clients:
        return [clients[host].admin.command({"getParameter": 1, name: 1})[name] for host in hosts]


def slow(installation: Installation, made: Made, hosts: list[str]) -> list[int]:
    with installation.system(made) as clients:
        return [clients[host].admin.command({"profile": -1})["slowms"] for host in hosts]


def connections(installation: Installation, made: Made, host: str) -> int:
    with installation.system(made) as clients:
        found = clients[host].admin.command("serverStatus")["connections"]
    return int(found["current"] + found["available"])


def test_the_life_of_a_template(client: DdsClient) -> None:
    default = system(client, "replica")
    made = create(client, "life.1", "replica", description="first", parameter_values={SLOW: "250"})
    assert made.endswith("pr02")
    values = template(client, default.id)
    assert template(client, made) == values | {SLOW: "250"}
    assert compare(client, default.id, made) == {SLOW: ("100", "250")}
    update(client, made, name="life.2", parameter_values={SLOW: "100", CONNECTIONS: "900"})
    assert compare(client, made, default.id) == {CONNECTIONS: ("900", "default")}
    for name, exists in (("life.1", False), ("life.2", True), (default.name, True)):
        validate = v3.ValidateConfigurationNameRequest(name)
        assert client.validate_configuration_name(validate).is_existed is exists
    history = v3.ShowConfigurationModifyHistoryRequest(made)
    changes = client.show_configuration_modify_history(history).histories
    assert {(one.parameter_name, one.old_value, one.new_value) for one in changes} == {
        (SLOW, "250", "100"),
        (CONNECTIONS, "default", "900"),
    }
    copy = v3.CopyConfigurationRequest(made, v3.CopyConfigurationRequestBody("life.3"))
    copied = client.copy_configuration(copy).configuration_id
    assert template(client, copied) == template(client, made)
    client.reset_configuration(v3.ResetConfigurationRequest(made))
    assert template(client, made) == values
    assert template(client, copied)[CONNECTIONS] == "900"
    for one in (made, copied):
        delete(client, one)
        assert refusal(lambda one=one: template(client, one)) == "DBS.200057"


def test_what_a_template_may_not_be(client: DdsClient) -> None:
    default, made = system(client, "replica"), create(client, "taken", "replica")
    other = create(client, "other", "mongos")
    try:
        for expected, work in (
            ("DBS.212030", lambda: create(client, "taken", "replica")),
            ("DBS.212030", lambda: create(client, default.name, "replica")),
            ("DBS.212030", lambda: update(client, other, name="taken")),
            ("DBS.212031", lambda: create(client, "a b", "replica")),
            ("DBS.212028", lambda: create(client, "c", "replica", description="<")),
            ("DBS.212017", lambda: update(client, made, parameter_values={SLOW: "soon"})),
            ("DBS.212017", lambda: update(client, made, parameter_values={CONNECTIONS: "1"})),
            ("DBS.212013", lambda: update(client, made, parameter_values={"port": "1"})),
            ("DBS.212013", lambda: update(client, other, parameter_values={CACHE: "20"})),
            ("DBS.280446", lambda: create(client, "d")),
            ("DBS.216031", lambda: create(client, "d", entity_id="0" * 32 + "in02")),
            ("DBS.200004", lambda: update(client, default.id, parameter_values={SLOW: "1"})),
            ("DBS.200004", lambda: delete(client, default.id)),
            ("DBS.200001", lambda: compare(client, made, other)),
        ):
            assert refusal(work) == expected
    finally:
        delete(client, made)
        delete(client, other)


def test_values_of_a_running_set(
    installation: Installation, client: DdsClient, shared_replica: Made
) -> None:
    made = shared_replica
    hosts = [node["host"] for node in nodes(made, "replica")]
    before = shown(client, made)
    assert pending(installation, made) == {}
    changed = {SLOW: "321", "cursorTimeoutMillis": "700000", "ttlMonitorEnabled": "false"}
    assert not put(installation, client, made, changed)
    assert slow(installation, made, hosts) == [321] * 3
    assert told(installation, made, hosts, "cursorTimeoutMillis") == [700_000] * 3
    assert told(installation, made, hosts, "ttlMonitorEnabled") == [False] * 3
    assert shown(client, made) == before | changed
    assert not put(installation, client, made, {name: before[name] for name in changed})
    assert slow(installation, made, hosts) == [100] * 3
    assert shown(client, made) == before
    request = v3.ShowInstanceConfigurationModifyHistoryRequest(made["id"], made["id"])
    history = client.show_instance_configuration_modify_history(request).histories
    ours = [one for one in history if one.parameter_name == SLOW][:2]
    assert [(one.old_value, one.new_value, one.applied) for one in ours] == [
        ("321", "100", True),
        ("100", "321", True),
    ]
    assert refusal(lambda: put(installation, client, made, {"port": "1"})) == "DBS.212013"
    unknown = nodes(made, "replica")[0]["id"]
    refused = refusal(lambda: put(installation, client, made, {SLOW: "1"}, unknown))
    assert refused == "DBS.216031"


def test_a_template_that_is_applied(
    installation: Installation, client: DdsClient, shared_replica: Made
) -> None:
    made = shared_replica
    found = create(client, "applied", "replica", parameter_values={SLOW: "222"})
    alien = create(client, "alien", "shard")
    default = system(client, "replica").id
    listed = client.list_applied_instances(v3.ListAppliedInstancesRequest(found)).instances
    (entity,) = next(one for one in listed if one.instance_id == made["id"]).entities
    assert entity.entity_id == made["id"]
    assert refusal(lambda: apply(installation, client, alien, made["id"])) == "DBS.200001"
    apply(installation, client, found, made["id"])
    hosts = [node["host"] for node in nodes(made, "replica")]
    assert slow(installation, made, hosts) == [222] * 3
    update(client, found, parameter_values={SLOW: "333"})
    assert shown(client, made)[SLOW] == "222"
    copied = create(client, "from-entity", entity_id=made["id"])
    assert template(client, copied)[SLOW] == "222"
    assert refusal(lambda: delete(client, found)) == "DBS.212032"
    history = v3.ShowConfigurationAppliedHistoryRequest(found)
    (one,) = client.show_configuration_applied_history(history).histories
    assert (one.instance_id, one.apply_result) == (made["id"], "SUCCESS")
    apply(installation, client, default, made["id"])
    assert slow(installation, made, hosts) == [100] * 3
    for one in (found, alien, copied):
        delete(client, one)


def test_parts_of_a_running_cluster(
    installation: Installation, client: DdsClient, shared_cluster: Made
) -> None:
    made = shared_cluster
    shard, other = [group["id"] for group in made["groups"] if group["type"] == "shard"]
    (config,) = [group["id"] for group in made["groups"] if group["type"] == "config"]
    router, second = nodes(made, "mongos")
    for number, entity_id in enumerate((shard, config, router["id"]), start=200):
        assert CONNECTIONS in shown(client, made, entity_id)
        assert not put(installation, client, made, {SLOW: str(number)}, entity_id)
        assert shown(client, made, entity_id)[SLOW] == str(number)
    assert slow(installation, made, [router["host"], second["host"]]) == [202, 100]
    assert shown(client, made, other)[SLOW] == "100"
    assert CACHE not in shown(client, made, config)
    assert refusal(lambda: shown(client, made)) == "DBS.216031"
    wanted = {CONNECTIONS: "345"}
    before = connections(installation, made, router["host"])
    assert put(installation, client, made, wanted, router["id"])
    assert connections(installation, made, router["host"]) == before
    restart(installation, made, router["id"])
    assert connections(installation, made, router["host"]) == 345
    assert slow(installation, made, [router["host"]]) == [202]
    for kind, entity_id in (("shard", shard), ("config", config), ("mongos", router["id"])):
        apply(installation, client, system(client, kind).id, entity_id)
    restart(installation, made, router["id"])
    assert connections(installation, made, router["host"]) == before
    assert slow(installation, made, [router["host"], second["host"]]) == [100, 100]
    assert pending(installation, made, shard) == {}


@pytest.fixture(scope="module")
def single(installation: Installation, client: DdsClient) -> Iterator[Made]:
    """A single node, made with a template."""
    found = create(
        client, "of-a-single", "single", parameter_values={CONNECTIONS: "333", SLOW: "222"}
    )
    chosen = [{"type": "single", "configuration_id": found}]
    created = installation.create(requests.single(name="parametrised", configurations=chosen))
    early = refusal(lambda: shown(client, created))
    assert early == "DBS.280042"  # no node answers yet
    assert installation.wait_job(created["job_id"])["status"] == "Completed"
    made = installation.instance(created["id"])
    assert made is not None
    yield made
    assert refusal(lambda: delete(client, found)) == "DBS.212032"
    installation.delete(made["id"])
    delete(client, found)


def test_an_instance_is_created_with_a_template(
    installation: Installation, client: DdsClient, single: Made
) -> None:
    (node,) = nodes(single, "single")
    assert connections(installation, single, node["host"]) == 333
    assert slow(installation, single, [node["host"]]) == [222]
    assert shown(client, single)[CONNECTIONS] == "333"
    other = system(client, "replica").id
    body = requests.single(configurations=[{"type": "single", "configuration_id": other}])
    answer = installation.call("POST", "/instances", json=body)
    assert answer.json()["error_code"] == "DBS.200001"


def test_what_needs_a_restart(installation: Installation, client: DdsClient, single: Made) -> None:
    with MongoClient(uri(single)) as user:
        user.shop.orders.insert_one({})
        assert user.shop.orders.find_one({"$where": "true"})
    assert put(installation, client, single, {JAVASCRIPT: False, CONNECTIONS: 444})
    assert pending(installation, single) == {JAVASCRIPT: "false", CONNECTIONS: "444"}
    assert shown(client, single)[JAVASCRIPT] == "true"
    request = v3.ShowInstanceConfigurationModifyHistoryRequest(single["id"], single["id"])
    history = client.show_instance_configuration_modify_history(request).histories
    assert [(one.update_result, one.applied, one.applied_at) for one in history] == [
        ("SUCCESS", False, "")
    ] * 2
    restart(installation, single)
    assert pending(installation, single) == {}
    assert shown(client, single)[JAVASCRIPT] == "false"
    history = client.show_instance_configuration_modify_history(request).histories
    assert all(one.applied and one.applied_at for one in history)
    with MongoClient(uri(single)) as user, pytest.raises(OperationFailure):
        user.shop.orders.find_one({"$where": "true"})
    assert slow(installation, single, [nodes(single, "single")[0]["host"]]) == [222]
