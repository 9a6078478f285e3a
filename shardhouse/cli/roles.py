"""`shardhouse iam role`: the built-in roles, and who has them where."""

from typing import TYPE_CHECKING, Annotated

import typer

from shardhouse.cli import directory, output
from shardhouse.cli.completion import names, projects, roles, users
from shardhouse.cli.options import DataDir, Json

if TYPE_CHECKING:
    from shardhouse.client.api import Client

Role = Annotated[
    str, typer.Argument(help="Name or id, see `role list`.", autocompletion=names(roles))
]
User = Annotated[str, typer.Argument(help="Name or id.", autocompletion=names(users))]
Project = Annotated[
    str | None,
    typer.Option(help="Name or id. [default: the project in use]", autocompletion=names(projects)),
]
Domain = Annotated[
    bool, typer.Option("--domain", help="On the domain, and so on all its projects.")
]

app = typer.Typer(no_args_is_help=True, help="Built-in roles, and who has them where.")


@app.command("list")
def list_all(data_dir: DataDir = None, json: Json = False) -> None:
    """List the built-in roles."""
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        output.items(directory.roles(client), ("name", "display_name", "description"), json)


@app.command()
def show(user: User, data_dir: DataDir = None, json: Json = False) -> None:
    """Show a user's roles, and where they count."""
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        user_id = directory.user(client, user)["id"]
        query = {"user.id": user_id}
        found = client.iam("GET", "v3/role_assignments", params=query)["role_assignments"]
        names = {one["id"]: one["name"] for one in directory.roles(client)}
        places = {one["id"]: one["name"] for one in directory.projects(client)}
    rows = []
    for one in found:
        (kind, target), *_ = one["scope"].items()
        rows.append(
            {
                "role": names.get(one["role"]["id"], one["role"]["id"]),
                "on": kind,
                "name": places.get(target["id"], target["id"]),
            }
        )
    output.items(rows, ("role", "on", "name"), json)


@app.command()
def grant(
    role: Role,
    user: User,
    project: Project = None,
    domain: Domain = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Give a user a role on a project, or on the domain."""
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        client.iam("PUT", _path(client, role, user, project, domain))
    output.done(f"User {user} has the role {role}.", {"user": user, "role": role}, json)


@app.command()
def revoke(
    role: Role,
    user: User,
    project: Project = None,
    domain: Domain = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Take a role from a user; the user's tokens end with it."""
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        client.iam("DELETE", _path(client, role, user, project, domain))
    words = f"User {user} no longer has the role {role} there."
    output.done(words, {"user": user, "role": role}, json)


def _path(client: "Client", role: str, user: str, project: str | None, domain: bool) -> str:
    if domain and project:
        raise typer.BadParameter("either --project or --domain, not both")
    if domain:
        target = f"domains/{client.domain_id}"
    elif project:
        target = f"projects/{directory.project(client, project)['id']}"
    else:
        target = f"projects/{client.project_id}"
    user_id = directory.user(client, user)["id"]
    return f"v3/{target}/users/{user_id}/roles/{directory.role(client, role)['id']}"
