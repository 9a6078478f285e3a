"""`shardhouse iam project`."""

from typing import Annotated

import typer

from shardhouse.cli import directory, output
from shardhouse.cli.completion import names, projects
from shardhouse.cli.options import DataDir, Json, Yes

FIELDS = ("id", "name", "enabled", "description")
Named = Annotated[str, typer.Argument(metavar="NAME_OR_ID", autocompletion=names(projects))]

app = typer.Typer(no_args_is_help=True, help="Projects of the domain.")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="`<region>_<name>`, as clouds name projects.")],
    description: Annotated[str, typer.Option(help="What the project is for.")] = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Create a project."""
    from shardhouse.cli.client import connect

    wish = {"name": name, "description": description}
    with connect(data_dir) as client:
        made = client.iam("POST", "v3/projects", {"project": wish})["project"]
    output.item(made, FIELDS, json)


@app.command("list")
def list_all(data_dir: DataDir = None, json: Json = False) -> None:
    """List the projects you may use."""
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        output.items(directory.projects(client), FIELDS, json)


@app.command()
def show(project: Named, data_dir: DataDir = None, json: Json = False) -> None:
    """Show a project."""
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        output.item(directory.project(client, project), FIELDS, json)


@app.command()
def delete(project: Named, yes: Yes = False, data_dir: DataDir = None, json: Json = False) -> None:
    """Delete a project that holds no instances."""
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        found = directory.project(client, project)
        if not yes:
            typer.confirm(f"Delete project {found['name']}?", abort=True, err=True)
        client.iam("DELETE", f"v3/projects/{found['id']}")
    output.done(f"Project {found['name']} is deleted.", directory.named(found), json)
