"""`shardhouse iam user`."""

from typing import Annotated

import typer

from shardhouse.cli import directory, output, passwords
from shardhouse.cli.completion import names, users
from shardhouse.cli.options import DataDir, Json, PasswordStdin, Yes

FIELDS = ("id", "name", "enabled", "description")
Named = Annotated[str, typer.Argument(metavar="NAME_OR_ID", autocompletion=names(users))]

app = typer.Typer(no_args_is_help=True, help="Users of the domain.")


@app.command()
def create(
    name: str,
    description: Annotated[str, typer.Option(help="What the user is for.")] = "",
    password_stdin: PasswordStdin = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Create a user, without any role.

    The password comes from --password-stdin, SHARDHOUSE_USER_PASSWORD or a prompt.
    """
    from shardhouse.cli.client import connect

    password = passwords.ask(password_stdin, passwords.USER, f"Password of {name}", confirm=True)
    wish = {"name": name, "password": password, "description": description}
    with connect(data_dir) as client:
        made = client.iam("POST", "v3/users", {"user": wish})["user"]
    output.item(made, FIELDS, json)


@app.command("list")
def list_all(data_dir: DataDir = None, json: Json = False) -> None:
    """List the domain's users."""
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        output.items(directory.users(client), FIELDS, json)


@app.command()
def show(user: Named, data_dir: DataDir = None, json: Json = False) -> None:
    """Show a user."""
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        output.item(directory.user(client, user), (*FIELDS, "pwd_strength"), json)


@app.command()
def password(
    user: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME_OR_ID", help="Another user than yourself.", autocompletion=names(users)
        ),
    ] = None,
    password_stdin: PasswordStdin = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Give a user a new password, or yourself.

    It comes from --password-stdin, SHARDHOUSE_USER_PASSWORD or a prompt, and ends the user's
    tokens. Your own stored credentials (admin.json, OS_PASSWORD) are not changed with it.
    """
    from shardhouse.cli.client import connect

    new = passwords.ask(password_stdin, passwords.USER, "New password", confirm=True)
    with connect(data_dir) as client:
        found = directory.user(client, user or client.user_id)
        if found["id"] == client.user_id:
            wish = {"original_password": client.credentials.password, "password": new}
            client.iam("POST", f"v3/users/{found['id']}/password", {"user": wish})
        else:
            client.iam("PATCH", f"v3/users/{found['id']}", {"user": {"password": new}})
    output.done(f"User {found['name']} has a new password.", directory.named(found), json)


@app.command()
def delete(user: Named, yes: Yes = False, data_dir: DataDir = None, json: Json = False) -> None:
    """Delete a user with all keys, tokens and roles."""
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        found = directory.user(client, user)
        if not yes:
            typer.confirm(f"Delete user {found['name']}?", abort=True, err=True)
        client.iam("DELETE", f"v3/users/{found['id']}")
    output.done(f"User {found['name']} is deleted.", directory.named(found), json)
