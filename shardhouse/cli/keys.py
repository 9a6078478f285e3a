"""`shardhouse iam key`: access keys, with which SDKs sign their requests."""

from typing import Annotated, Any

import typer

from shardhouse.cli import directory, output
from shardhouse.cli.completion import access_keys, names, users
from shardhouse.cli.options import DataDir, Json, Yes

FIELDS = ("access", "status", "create_time", "description")
AccessKey = Annotated[str, typer.Argument(metavar="ACCESS_KEY", autocompletion=names(access_keys))]
OfUser = Annotated[
    str | None,
    typer.Option(
        "--user", help="Name or id of another user than yourself.", autocompletion=names(users)
    ),
]

app = typer.Typer(no_args_is_help=True, help="Access keys, with which SDKs sign requests.")


@app.command()
def create(
    user: OfUser = None,
    description: Annotated[str, typer.Option(help="What the key is for.")] = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Create an access key. Its secret is shown this once."""
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        user_id = directory.user(client, user or client.user_id)["id"]
        wish = {"user_id": user_id, "description": description}
        made = client.iam("POST", directory.KEYS, {"credential": wish})["credential"]
    output.item(made, ("access", "secret"), json)
    output.note("Keep the secret now: it cannot be shown again.")


@app.command("list")
def list_all(user: OfUser = None, data_dir: DataDir = None, json: Json = False) -> None:
    """List a user's access keys."""
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        user_id = directory.user(client, user or client.user_id)["id"]
        found = directory.access_keys(client, user_id)
    output.items(found, FIELDS, json)


@app.command()
def show(access_key: AccessKey, data_dir: DataDir = None, json: Json = False) -> None:
    """Show an access key, without its secret."""
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        found = client.iam("GET", f"{directory.KEYS}/{access_key}")["credential"]
    output.item(found, (*FIELDS, "user_id"), json)


@app.command()
def enable(access_key: AccessKey, data_dir: DataDir = None, json: Json = False) -> None:
    """Make an access key valid again."""
    output.item(_set_status(access_key, "active", data_dir), FIELDS, json)


@app.command()
def disable(access_key: AccessKey, data_dir: DataDir = None, json: Json = False) -> None:
    """Make an access key invalid without deleting it."""
    output.item(_set_status(access_key, "inactive", data_dir), FIELDS, json)


@app.command()
def delete(
    access_key: AccessKey, yes: Yes = False, data_dir: DataDir = None, json: Json = False
) -> None:
    """Delete an access key."""
    from shardhouse.cli.client import connect

    if not yes:
        typer.confirm(f"Delete access key {access_key}?", abort=True, err=True)
    with connect(data_dir) as client:
        client.iam("DELETE", f"{directory.KEYS}/{access_key}")
    output.done(f"Access key {access_key} is deleted.", {"access": access_key}, json)


def _set_status(access_key: str, status: str, data_dir: DataDir) -> dict[str, Any]:
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        wish = {"credential": {"status": status}}
        changed: dict[str, Any] = client.iam("PUT", f"{directory.KEYS}/{access_key}", wish)[
            "credential"
        ]
    return changed
