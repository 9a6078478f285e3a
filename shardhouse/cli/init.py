"""`shardhouse init`: the settings of a new installation, by questions or by options."""

import os
import shlex
import sys
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shardhouse.cli import credentials, doctor, engines, output, passwords, settings_file
from shardhouse.cli.options import DataDir, Json, Yes
from shardhouse.cli.output import CliError
from shardhouse.doctor.check import Check
from shardhouse.errors import ShardhouseError

if TYPE_CHECKING:
    from psutil import Process

    from shardhouse.settings import Settings

SECRET = "backup.secret_key"  # noqa: S105 - a setting's name
#: What is asked for, each with the setting that must have a value for it to matter, if any.
QUESTIONS: Mapping[str, str] = {
    "host": "",
    "port": "",
    "iam_port": "",
    "tls_certificate": "",
    "tls_key": "tls_certificate",
    "tls_authority": "tls_certificate",
    "dialect": "",
    "node_network": "",
    "node_domain": "",
    "memory_scale": "",
    "backup.url": "",
    "backup.endpoint": "backup.url",
    "backup.region": "backup.url",
    "backup.access_key": "backup.url",
}
OFFERED = (*QUESTIONS, SECRET)
DEFAULT_BUILD = "default"
NO_BUILD = "none"


def _option(words: str) -> Any:
    return typer.Option(help=words, show_default=False)


def init(
    data_dir: DataDir = None,
    host: Annotated[str | None, _option("Address on which the two APIs listen.")] = None,
    port: Annotated[str | None, _option("Port of the DDS API.")] = None,
    iam_port: Annotated[str | None, _option("Port of IAM.")] = None,
    tls_certificate: Annotated[str | None, _option("PEM file: both ports speak HTTPS.")] = None,
    tls_key: Annotated[str | None, _option("PEM file: its key.")] = None,
    tls_authority: Annotated[str | None, _option("PEM file of who signed it.")] = None,
    dialect: Annotated[str | None, _option("otc or huawei.")] = None,
    node_network: Annotated[
        str | None, _option("Where node addresses come from, separated by commas.")
    ] = None,
    node_domain: Annotated[str | None, _option("DNS domain of nodes' names.")] = None,
    memory_scale: Annotated[str | None, _option("Share of a flavor's memory.")] = None,
    backup_url: Annotated[str | None, _option("file:///..., s3://..., gs://..., az://...")] = None,
    backup_endpoint: Annotated[str | None, _option("URL of the object store.")] = None,
    backup_region: Annotated[str | None, _option("Region of the bucket.")] = None,
    backup_access_key: Annotated[str | None, _option("Access key of the object store.")] = None,
    backup_secret_stdin: Annotated[
        bool,
        typer.Option("--backup-secret-stdin", help="Read its secret key from standard input."),
    ] = False,
    builds: Annotated[
        list[str] | None,
        typer.Option(
            "--engine",
            help="A MongoDB build to unpack, as for `engine add`; may be repeated. `none`: none. "
            "[default: the default build]",
            show_default=False,
        ),
    ] = None,
    yes: Yes = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Change a shardhouse.toml that is there already."),
    ] = False,
    json: Json = False,
) -> None:
    """Write shardhouse.toml for a new installation, unpack MongoDB, and check this machine.

    What no option says is asked for, on a terminal and without --yes; else it
    stays as it is. The backup's secret key comes from --backup-secret-stdin, from
    the variable SHARDHOUSE_BACKUP__SECRET_KEY or from a prompt. The exit code is
    1 if a check fails.
    """
    from shardhouse.cli.installation import Installation
    from shardhouse.doctor import checks

    given = {
        "host": host,
        "port": port,
        "iam_port": iam_port,
        "tls_certificate": tls_certificate,
        "tls_key": tls_key,
        "tls_authority": tls_authority,
        "dialect": dialect,
        "node_network": node_network,
        "node_domain": node_domain,
        "memory_scale": memory_scale,
        "backup.url": backup_url,
        "backup.endpoint": backup_endpoint,
        "backup.region": backup_region,
        "backup.access_key": backup_access_key,
        SECRET: passwords.given(backup_secret_stdin, _variable(SECRET), "--backup-secret-stdin"),
    }
    answers: dict[str, Any] = {name: text for name, text in given.items() if text is not None}
    asks = sys.stdin.isatty() and not yes and not json
    folder = credentials.resolve(_folder(data_dir) if asks else data_dir)
    _check_owner(folder)
    file = _file(folder)
    present = settings_file.read(file)
    _may_change(file, force=force, asks=asks)
    settings = _load(folder, answers)
    if asks:
        settings = _ask(folder, settings, answers)
        builds = builds or _builds()
    _check(settings, QUESTIONS)
    before = settings_file.write(file, _values(settings, present, answers), OFFERED)
    output.note(f"{file} is written." + (f" The one before is {before}." if before else ""))
    held = _load(folder, {})
    for name in answers:
        if _value(held, name) != _value(settings, name):
            output.note(f"{_variable(name)} is set and takes precedence over {name} in this file.")
    for name in builds or [DEFAULT_BUILD]:
        _unpack(folder, name)
    running = Installation(folder).serve()
    _end(file, list(checks.everything(held)), folder, running, json=json)


def _folder(given: Path | None) -> Path:
    """The data directory, which is asked for where nothing names it."""
    if given is not None:
        return given
    return Path(typer.prompt("Data directory", default=str(credentials.resolve(None)), err=True))


def _check_owner(folder: Path) -> None:
    """Raises CliError where root would leave files in somebody else's folder, who could not read
    them."""
    from shardhouse.nodes.local import folders

    place = folders.existing(folder)
    uid = place.stat().st_uid
    if os.geteuid() == 0 and uid != 0:
        try:
            owner = place.owner()
        except KeyError:
            owner = f"#{uid}"
        command = f"sudo -H -u {shlex.quote(owner)} shardhouse init --data-dir"
        raise CliError(
            f"{place} belongs to {owner}, who is to run this: {command} {shlex.quote(str(folder))}"
        )


def _file(folder: Path) -> Path:
    from shardhouse.settings import CONFIG_NAME

    return folder / CONFIG_NAME


def _load(folder: Path, answers: Mapping[str, Any]) -> "Settings":
    from shardhouse.settings import load

    return load(data_dir=folder, **settings_file.nested(answers))


def _may_change(file: Path, *, force: bool, asks: bool) -> None:
    """Raises CliError, or ends the command, where a file is to stay as it is."""
    if not file.exists() or force:
        return
    if not asks:
        raise CliError(
            f"{file} is there already. --force changes it: settings that are not named stay, and "
            "the file is kept beside it."
        )
    typer.confirm(f"{file} is there already. Change it?", abort=True, err=True)


def _ask(folder: Path, settings: "Settings", answers: dict[str, Any]) -> "Settings":
    """Settings with an answer to each question that no option answered; `answers` gets them."""
    for name, needs in QUESTIONS.items():
        if name not in answers and (not needs or _matters(settings, needs)):
            settings = _answer(folder, settings, answers, name)
    if SECRET not in answers and answers.get("backup.access_key"):
        words = f"{SECRET} (not shown; empty: as it is)"
        secret = typer.prompt(words, default="", hide_input=True, show_default=False, err=True)
        answers |= {SECRET: secret} if secret else {}
    return _load(folder, answers)


def _answer(folder: Path, settings: "Settings", answers: dict[str, Any], name: str) -> "Settings":
    """Ask until the settings take the answer."""
    output.note(f"\n{_about(name)}")
    present = _value(settings, name)
    shown = ", ".join(present) if isinstance(present, list) else str(present or "")
    while True:
        typed = typer.prompt(name, default=shown, show_default=bool(shown), err=True).strip()
        answer = {name: typed} if typed else {}
        try:
            found = _load(folder, answers | answer)
            _check(found, [name])
        except ShardhouseError as error:
            output.note(error.message.splitlines()[-1].strip())
        else:
            answers |= answer
            return found


def _check(settings: "Settings", names: Collection[str]) -> None:
    """Raises ShardhouseError for what `serve` would refuse of these settings."""
    from shardhouse import tls
    from shardhouse.nodes.local.addresses import NodeNetwork

    if "node_network" in names:
        NodeNetwork(settings.node_network, str(settings.data_dir))
    if "tls_certificate" in names and settings.tls_certificate is not None:
        tls.readable("tls_certificate", settings.tls_certificate)
    if not {"tls_key", "tls_authority"}.isdisjoint(names):
        tls.server_context(settings)


def _about(name: str) -> str:
    """What a question is about: the setting's own words, and what is true of this machine."""
    from shardhouse import endpoints
    from shardhouse.settings import Settings, fields

    about = settings_file.plain(dict(fields(Settings))[name].description)
    own = endpoints.reachable(endpoints.WILDCARDS[0])
    if name == "node_network" and not endpoints.is_loopback(own):
        about += (
            f" Addresses of loopback are for this machine alone; with {own}, its own address, "
            "others reach MongoDB's ports."
        )
    if name == "host":
        about += f" {own} is this machine's own address; 0.0.0.0 means all."
    return about


def _builds() -> list[str]:
    from shardhouse.engines import known

    versions = ", ".join(build.version for build in known.KNOWN)
    output.note(
        f"\nMongoDB builds to unpack: {versions}, or folders; under the SSPL, see docs/mongodb.md."
    )
    typed = typer.prompt("builds", default=DEFAULT_BUILD, err=True)
    return [name.strip() for name in typed.split(",") if name.strip()]


def _matters(settings: "Settings", name: str) -> bool:
    """Whether a setting's value makes further ones matter: folders have no keys."""
    value = _value(settings, name)
    return bool(value) and not str(value).startswith("file:")


def _value(settings: "Settings", name: str) -> Any:
    """A setting as a file has it."""
    value: Any = settings
    for part in name.split("."):
        value = getattr(value, part)
    if hasattr(value, "get_secret_value"):
        return value.get_secret_value()
    return str(value) if isinstance(value, Path) else value


def _variable(name: str) -> str:
    """The variable that sets the same."""
    return f"SHARDHOUSE_{name.upper().replace('.', '__')}"


def _values(
    settings: "Settings", present: Mapping[str, Any], answers: Mapping[str, Any]
) -> dict[str, Any]:
    """What the file is to hold: what it holds, and the answers, but for defaults."""
    from shardhouse.settings import Settings, fields

    defaults = {name: field.default for name, field in fields(Settings)}
    chosen = {name: _value(settings, name) for name in answers}
    kept = {name: value for name, value in present.items() if name not in chosen}
    return kept | {name: value for name, value in chosen.items() if value != defaults[name]}


def _unpack(folder: Path, name: str) -> None:
    """A build that cannot be had is no reason to end: the checks say what is missing."""
    if name == NO_BUILD:
        return
    _, builds = engines.open_builds(folder)
    try:
        engine = engines.add_build(builds, "" if name == DEFAULT_BUILD else name)
    except ShardhouseError as error:
        output.error(error.message)
    else:
        output.note(f"MongoDB {engine.version} is in {engine.mongod.parent.parent}")


def _end(
    file: Path, found: list[Check], folder: Path, running: "Process | None", *, json: bool
) -> None:
    """Say what was found, and the commands that come next, in their order; `running` is a `serve`
    of before. Exit code 1 if a check fails."""
    named = "" if folder == credentials.resolve(None) else f" --data-dir {shlex.quote(str(folder))}"
    verbs = ("up", "open") if running is None else ("down", "up", "open")
    commands = [f"shardhouse {verb}{named}" for verb in verbs]
    if json:
        checks = [asdict(check) for check in found]
        output.print_json({"file": str(file), "checks": checks, "next": commands})
    else:
        doctor.show(found)
        output.note("\nNext: " + "\n      ".join(commands))
        install = "service install" + (" --run-as root" if os.geteuid() == 0 else "")
        if running is None:
            output.note(f"Instead of `up`, as a service of systemd: shardhouse {install}{named}")
        else:
            output.note(
                f"`serve` runs, pid {running.pid}, with the settings of its start. `down` stops "
                "its databases too, until it is up; `systemctl restart` of a service does not."
            )
    if any(check.verdict == "fail" for check in found):
        raise typer.Exit(1)
