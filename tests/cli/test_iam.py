"""Users, projects, keys and roles, on a real service."""

import json
from pathlib import Path

from tests.cli.program import Program

USER = "developer"
FIRST, SECOND = "First#Pass1", "Second#Pass2"


def test_a_user_gets_a_role_and_a_project_and_works_with_them(program: Program) -> None:
    made = program.json("iam", "user", "create", USER, "--password-stdin", stdin=FIRST)
    assert made["name"] == USER
    project = program.json("iam", "project", "create", "local_team")
    as_user = {
        "OS_AUTH_URL": _auth_url(program),
        "OS_USERNAME": USER,
        "OS_PASSWORD": FIRST,
        "OS_PROJECT_NAME": "local_team",
        "OS_DOMAIN_NAME": "shardhouse",
        "SHARDHOUSE_DATA_DIR": "",
    }
    assert "HTTP 40" in program.refused("instance", "list", **as_user)

    program.ok("iam", "role", "grant", "DDS ReadOnlyAccess", USER, "--project", "local_team")
    assert program.json("instance", "list", **as_user) == []
    body_password = {"SHARDHOUSE_INSTANCE_PASSWORD": FIRST}
    assert "HTTP 403" in program.refused("instance", "create", "x", **as_user, **body_password)
    shown = program.json("iam", "role", "show", USER)
    assert shown == [{"role": "DDS ReadOnlyAccess", "on": "project", "name": "local_team"}]

    program.ok("iam", "user", "password", USER, "--password-stdin", stdin=SECOND)
    told = program.refused("instance", "list", **as_user)
    assert "HTTP 401" in told
    assert f"user {USER} (domain shardhouse) at {as_user['OS_AUTH_URL'][:-3]}" in told
    assert "with the credentials of the OS_* variables" in told
    as_user["OS_PASSWORD"] = SECOND
    program.ok("iam", "user", "password", stdin="", SHARDHOUSE_USER_PASSWORD=FIRST, **as_user)
    as_user["OS_PASSWORD"] = FIRST
    assert program.json("instance", "list", **as_user) == []

    program.ok("iam", "role", "revoke", "DDS ReadOnlyAccess", USER, "--project", project["id"])
    assert program.json("iam", "role", "show", USER) == []
    program.ok("iam", "user", "delete", USER, "--yes")
    program.ok("iam", "project", "delete", "local_team", "--yes")
    assert USER not in program.ok("iam", "user", "list")
    assert "local_team" not in program.ok("iam", "project", "list")


def test_a_key_s_secret_is_shown_once(program: Program) -> None:
    made = program.json("iam", "key", "create", "--description", "for a test")
    assert made["secret"]
    listed = program.json("iam", "key", "list")
    (key,) = [one for one in listed if one["access"] == made["access"]]
    assert "secret" not in key
    assert made["secret"] not in program.ok("iam", "key", "show", made["access"])
    assert program.json("iam", "key", "disable", made["access"])["status"] == "inactive"
    assert program.json("iam", "key", "enable", made["access"])["status"] == "active"
    program.ok("iam", "key", "delete", made["access"], "--yes")
    assert made["access"] not in program.ok("iam", "key", "list")


def test_a_named_folder_wins_over_another_installations_variables(
    program: Program, tmp_path: Path
) -> None:
    others = {
        "OS_AUTH_URL": _auth_url(program),  # the other one listened there before
        "OS_USERNAME": "admin",
        "OS_PASSWORD": "another-1",
        "OS_PROJECT_ID": "0" * 32,
        "OS_DOMAIN_NAME": "shardhouse",
    }
    done = program.run("iam", "user", "show", "admin", **others)
    assert done.returncode == 0, done.stderr
    admin_file = program.data_dir / "admin.json"
    assert f"those of {admin_file}, which SHARDHOUSE_DATA_DIR names" in done.stderr
    assert "not what OS_PASSWORD, OS_PROJECT_ID say" in done.stderr

    stale = tmp_path / "admin.json"
    stale.write_text(json.dumps(json.loads(admin_file.read_text()) | {"password": "another-1"}))
    told = program.refused("iam", "user", "show", "admin", "--data-dir", str(tmp_path))
    assert "HTTP 401)\nThis was the login of user admin (domain shardhouse) at http" in told
    assert f"with the credentials of {stale}." in told


def test_unknown_names_tell_the_known_ones(program: Program) -> None:
    assert "there are: admin" in program.refused("iam", "user", "show", "nobody")
    told = program.refused("iam", "role", "grant", "king", "admin")
    assert "DDS FullAccess" in told


def _auth_url(program: Program) -> str:
    return str(program.json("env")["OS_AUTH_URL"])
