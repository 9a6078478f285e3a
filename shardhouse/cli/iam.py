"""`shardhouse iam`: users, projects, access keys, roles."""

import typer

from shardhouse.cli import keys, projects, roles, users

app = typer.Typer(no_args_is_help=True, help="Users, projects, access keys, roles.")
app.add_typer(users.app, name="user")
app.add_typer(projects.app, name="project")
app.add_typer(keys.app, name="key")
app.add_typer(roles.app, name="role")
