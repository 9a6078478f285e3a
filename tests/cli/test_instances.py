"""A user's journey with one instance, on a real service."""

import os
from typing import Any

from pymongo import MongoClient

from tests import npm
from tests.cli.conftest import NAME, PASSWORD
from tests.cli.program import Program


def test_create_waits_until_the_instance_is_normal(instance: dict[str, Any]) -> None:
    assert instance["name"] == NAME
    assert instance["status"] == "normal"
    assert "password" not in instance


def test_an_instance_is_found_by_name_and_by_id(program: Program, instance: dict[str, Any]) -> None:
    for words in (NAME, instance["id"]):
        shown = program.ok("instance", "show", words)
        assert "4.4 requested, 6.0" in shown
        assert f"{NAME}_single_node_1" in shown
        assert "normal" in shown


def test_the_list_tells_the_true_version(program: Program, instance: dict[str, Any]) -> None:
    (listed,) = [one for one in program.json("instance", "list") if one["id"] == instance["id"]]
    assert listed["datastore"]["version"] == "4.4"
    assert listed["engine_version"].startswith("6.0")
    assert instance["id"] in program.ok("instance", "list", "--name", f"*{NAME[:4]}")


def test_the_address_works_and_is_masked_unless_asked(
    program: Program, instance: dict[str, Any]
) -> None:
    masked = program.ok("instance", "uri", NAME).strip()
    assert "rwuser:****@" in masked
    address = program.ok(
        "instance", "uri", instance["id"], "--show-password", SHARDHOUSE_INSTANCE_PASSWORD=PASSWORD
    ).strip()
    with MongoClient[dict[str, Any]](address, serverSelectionTimeoutMS=10_000) as mongo:
        mongo["shop"]["things"].insert_one({"_id": 1})
        assert mongo["shop"]["things"].find_one() == {"_id": 1}
        assert mongo.admin.command("ping")["ok"] == 1


def test_mongosh_is_opened_or_named(program: Program, instance: dict[str, Any]) -> None:
    without = program.run("instance", "connect", NAME, PATH="/nowhere")
    assert without.returncode == 1
    assert "npm install --global mongosh" in without.stderr
    programs = npm.installed("mongosh", npm.MONGOSH) / ".bin"
    path = f"{programs}:{os.environ['PATH']}"
    assert program.ok("instance", "connect", NAME, "--version", PATH=path).strip() == npm.MONGOSH


def test_a_job_is_shown_with_its_steps(program: Program) -> None:
    answer = program.json(
        "instance", "create", "steps", "--password-stdin", "--port", "8700", stdin=PASSWORD
    )
    watched = program.run("job", "show", answer["job_id"], "--watch")
    assert watched.returncode == 0, watched.stderr
    assert "✓ Verify a majority write" in watched.stderr
    job = program.json("job", "show", answer["job_id"])
    assert {step["status"] for step in job["steps"]} == {"Completed"}
    assert "Start processes" in program.ok("job", "show", answer["job_id"])
    deleted = program.run("instance", "delete", "steps", "--yes", "--wait")
    assert deleted.returncode == 0, deleted.stderr
    assert "There is no instance of name or id steps" in program.refused(
        "instance", "show", "steps"
    )


def test_a_deletion_is_not_done_without_a_yes(program: Program, instance: dict[str, Any]) -> None:
    assert program.run("instance", "delete", NAME, stdin="n\n").returncode == 1
    assert program.json("instance", "show", NAME)["status"] == "normal"


def test_tls_with_its_authority_file(program: Program) -> None:
    made = program.json(
        *("instance", "create", "locked", "--ssl", "--port", "8701", "--wait"),
        SHARDHOUSE_INSTANCE_PASSWORD=PASSWORD,
    )
    address = program.json(
        "instance", "uri", "locked", "--show-password", "--password-stdin", stdin=PASSWORD
    )["uri"]
    assert "tls=true&tlsCAFile=" in address
    with MongoClient[dict[str, Any]](address, serverSelectionTimeoutMS=10_000) as mongo:
        assert mongo.admin.command("ping")["ok"] == 1
    assert (
        program.json("instance", "delete", made["id"], "--yes", "--wait")["status"] == "Completed"
    )


def test_the_service_s_refusal_is_told(program: Program) -> None:
    told = program.refused(
        "instance", "create", "xenon", "--version", "1.0", SHARDHOUSE_INSTANCE_PASSWORD=PASSWORD
    )
    assert "DBS.280236" in told
    assert "datastore.version" in told


def test_no_password_and_nobody_to_ask(program: Program) -> None:
    assert "--password-stdin" in program.refused("instance", "create", "x")
