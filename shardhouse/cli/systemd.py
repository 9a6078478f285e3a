"""`shardhouse service`: `serve` as a unit of systemd, of a user or of the system."""

import os
import pwd
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from shardhouse.cli import credentials, output
from shardhouse.cli.installation import GRACE, Installation
from shardhouse.cli.options import DataDir, Json
from shardhouse.cli.output import CliError

SYSTEM_DATA = Path("/var/lib/shardhouse")
SYSTEM_UNITS = Path("/etc/systemd/system")
ACCOUNT = "shardhouse"
START_SECONDS = 60.0

app = typer.Typer(no_args_is_help=True, help="`serve` as a service of systemd.")
System = Annotated[
    bool | None,
    typer.Option(
        "--system/--user",
        help="Of the system, or of yourself. [default: of the system for root]",
        show_default=False,
    ),
]
Name = Annotated[str, typer.Option(help="Name of the unit, for several installations.")]
RunAs = Annotated[
    str,
    typer.Option(
        help="With --system: the user it runs as; root must be named. [default: the data "
        f"directory's owner, or {ACCOUNT} where there is none yet]",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class Unit:
    """A unit that runs `serve` on a folder. `user` is empty for a unit of a user's own manager;
    `cache` is XDG_CACHE_HOME, if it is set."""

    name: str
    data_dir: Path
    program: tuple[str, ...]
    user: str = ""
    cache: str = ""

    @property
    def system(self) -> bool:
        """Whether the system's manager runs it."""
        return bool(self.user)

    @property
    def file(self) -> Path:
        """Where it is written."""
        config = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
        folder = SYSTEM_UNITS if self.system else config / "systemd" / "user"
        return folder / f"{self.name}.service"

    @property
    def systemctl(self) -> list[str]:
        """The command that reaches its manager."""
        return ["systemctl"] if self.system else ["systemctl", "--user"]

    @property
    def variables(self) -> Path:
        """File of variables that the service gets, if it is there."""
        from shardhouse.settings import VARIABLES_NAME

        return self.data_dir / VARIABLES_NAME

    @property
    def _place(self) -> str:
        """How its command ends."""
        return f" --data-dir {_argument(str(self.data_dir))}"

    def may_be_written(self) -> bool:
        """Whether there is no such file yet, or one for the same folder. Raises OSError."""
        return not self.file.exists() or f"{self._place}\n" in self.file.read_text()

    def text(self) -> str:
        """The unit.

        `serve` alone is ended with it (KillMode), and a database that the kernel kills for its
        memory does not end it (OOMPolicy): `serve` starts what died.
        """
        from shardhouse.open_files import ENOUGH

        words = (*self.program, "serve")
        online = ["Wants=network-online.target", "After=network-online.target"]
        lines = [
            "# Written by `shardhouse service install`.",
            "[Unit]",
            "Description=Shardhouse, a Document Database Service",
            *(online if self.system else []),
            "StartLimitIntervalSec=120",
            "StartLimitBurst=5",
            "",
            "[Service]",
            "Type=exec",
            f"ExecStart={' '.join(map(_argument, words))}{self._place}",
            f"EnvironmentFile=-{_escaped(str(self.variables))}",
            *([f"Environment={_quoted(f'XDG_CACHE_HOME={self.cache}')}"] if self.cache else []),
            "Restart=on-failure",
            "RestartSec=2",
            "KillMode=process",
            f"TimeoutStopSec={GRACE:.0f}",
            "OOMPolicy=continue",
            f"LimitNOFILE={ENOUGH}",
            "TasksMax=infinity",
            "UMask=0077",
            "NoNewPrivileges=yes",
            *(self._sandbox() if self.system else []),
            "",
            "[Install]",
            f"WantedBy={'multi-user' if self.system else 'default'}.target",
        ]
        return "\n".join(lines) + "\n"

    def _sandbox(self) -> Iterator[str]:
        """What neither `serve` nor mongod needs. Backups and builds may lie anywhere that the user
        may write; mongod's JavaScript needs memory that is written and executed."""
        yield f"User={self.user}"
        yield "ProtectSystem=full"
        for name in ("KernelTunables", "KernelModules", "KernelLogs", "ControlGroups", "Clock"):
            yield f"Protect{name}=yes"
        yield "ProtectHostname=yes"
        yield "PrivateDevices=yes"
        yield "RestrictNamespaces=yes"
        yield "RestrictRealtime=yes"
        yield "RestrictSUIDSGID=yes"
        yield "LockPersonality=yes"
        yield "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK"


@app.command()
def install(
    system: System = None,
    run_as: RunAs = "",
    name: Name = ACCOUNT,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Have systemd run `serve` now, and at each start of the machine.

    Databases run on when the service is stopped; `shardhouse down` ends them.
    """
    unit = _unit(system, run_as, name, data_dir)
    _check_program(unit, Path(sys.executable))
    running = Installation(unit.data_dir).serve()
    if running is not None and not _is_active(unit):
        raise CliError(
            f"A `shardhouse serve` of {unit.data_dir} runs already, pid {running.pid}. End it "
            f"first (its databases run on): kill {running.pid}"
        )
    _note_variables(unit)
    try:
        if not unit.may_be_written():
            raise CliError(
                f"{unit.file} is there already, for another data directory than {unit.data_dir}. "
                "Give this one a name of its own with --name."
            )
        _make_folder(unit)
        unit.file.parent.mkdir(parents=True, exist_ok=True)
        unit.file.write_text(unit.text())
    except OSError as error:
        raise _refused(error) from None
    output.note(f"{unit.file} is written.")
    reason = _systemctl(unit, "daemon-reload")
    enable = ["enable", "--now", unit.file.name]
    if reason:
        output.note(f"systemd does not answer here: {reason}")
        output.note(f"Where it runs: {_words(unit, 'daemon-reload')} && {_words(unit, *enable)}")
    elif reason := _systemctl(unit, *enable):
        raise CliError(f"`{_words(unit, *enable)}` failed: {reason}")
    else:
        _await_answers(unit)
        output.note(f"{unit.file.name} is active and answers. Its log: {_log(unit)}")
    if unit.data_dir != credentials.resolve(None):
        output.note(f"Commands find it by {credentials.DATA_DIR_VARIABLE}={unit.data_dir}.")
    if running is not None:
        output.note(f"What changed has effect after {_words(unit, 'restart', unit.name)}.")
    if not unit.system and not _lingers():
        output.note(
            "Without `loginctl enable-linger`, the service and its databases end when you log out."
        )
    if json:
        output.print_json({"unit": str(unit.file), "active": not reason})


@app.command()
def uninstall(system: System = None, name: Name = ACCOUNT, json: Json = False) -> None:
    """Stop the service and remove its unit. Databases run on; `shardhouse down` ends them."""
    unit = _installed(system, name)
    disable = ["disable", "--now", unit.file.name]
    if reason := _systemctl(unit, "daemon-reload"):
        output.note(f"systemd does not answer here: {reason}")
    elif reason := _systemctl(unit, *disable):
        raise CliError(f"`{_words(unit, *disable)}` failed: {reason}")
    try:
        unit.file.unlink()
    except OSError as error:
        raise _refused(error) from None
    _systemctl(unit, "daemon-reload")
    output.done(f"{unit.file} is removed.", {"unit": str(unit.file)}, json)


@app.command()
def status(system: System = None, name: Name = ACCOUNT, json: Json = False) -> None:
    """Show the unit, and whether it runs and will be started again; exit code 1 if it does not run.

    `shardhouse status` shows what the service itself says.
    """
    unit = _installed(system, name)
    facts = {
        "unit": str(unit.file),
        "active": _said(unit, "is-active"),
        "enabled": _said(unit, "is-enabled"),
    }
    if not unit.system:
        facts["linger"] = "yes" if _lingers() else "no"
    if json:
        output.print_json(facts)
    else:
        output.facts((name, escape(text)) for name, text in facts.items())
    if facts["active"] != "active":
        raise typer.Exit(1)


@app.command("print")
def print_unit(
    system: System = None,
    run_as: RunAs = "",
    name: Name = ACCOUNT,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Print the unit that `install` would write."""
    unit = _unit(system, run_as, name, data_dir)
    if json:
        output.print_json({"unit": str(unit.file), "text": unit.text()})
    else:
        print(unit.text(), end="")


def _unit(system: bool | None, run_as: str, name: str, data_dir: Path | None) -> Unit:
    """The unit that is meant. Raises CliError for a user that there is not or whose the folder is
    not, for root if nobody named it, or for a folder that cannot be seen."""
    beside = Path(sys.executable).with_name("shardhouse")
    module = (sys.executable, "-P", "-m", "shardhouse.cli.main")
    program = (str(beside),) if beside.exists() else module
    if not _is_system(system):
        if run_as:
            raise typer.BadParameter("--run-as goes with --system")
        cache = os.environ.get("XDG_CACHE_HOME", "")
        return Unit(name, credentials.resolve(data_dir), program, cache=cache)
    folder = credentials.resolve(data_dir)
    named = data_dir or os.environ.get(credentials.DATA_DIR_VARIABLE)
    try:
        if not named and not folder.exists():  # root has made no installation in its home
            folder = SYSTEM_DATA
        owner = folder.owner() if folder.exists() else ""
        user = run_as or owner or ACCOUNT
        pwd.getpwnam(user)
    except KeyError:
        raise CliError(
            "There is no such user to run it. Name one with --run-as, or make one: useradd "
            f"--system --create-home --home-dir {SYSTEM_DATA} {ACCOUNT}"
        ) from None
    except OSError as error:
        raise CliError(f"{folder} cannot be read: {error.strerror}.") from None
    if user == "root" and not run_as:
        raise CliError(
            f"{folder} is root's, so databases would run as root. If that is meant: --run-as root. "
            f"If not, give it to a user: chown --recursive USER {shlex.quote(str(folder))}"
        )
    if owner not in ("", user):
        raise CliError(
            f"{folder} belongs to {owner}, so {user} cannot run it. Give it away: chown "
            f"--recursive {user} {shlex.quote(str(folder))}"
        )
    return Unit(name, folder, program, user=user)


def _is_system(given: bool | None) -> bool:
    return os.geteuid() == 0 if given is None else given


def _installed(system: bool | None, name: str) -> Unit:
    """A unit that was installed; raises CliError where there is none of that name. Its folder, its
    program and its user do not matter any more."""
    user = "root" if _is_system(system) else ""
    unit = Unit(name, Path(), (), user=user)
    if not unit.file.exists():
        raise CliError(f"There is no {unit.file}; `shardhouse service install` writes it.")
    return unit


def _check_program(unit: Unit, python: Path) -> None:
    """Raises CliError where another user is to run a program, or a Python, that lies in somebody's
    home. A virtual environment's Python is a link, so both ways count."""
    if not unit.system or unit.user == "root":
        return
    uid = pwd.getpwnam(unit.user).pw_uid
    program = Path(unit.program[0])
    for file in dict.fromkeys((program, program.resolve(), python.resolve())):
        for folder in file.parents:
            known = folder.stat()
            if known.st_uid != uid and not known.st_mode & 0o001:
                raise CliError(
                    f"The user {unit.user} cannot run {file}: {folder} is closed to others. "
                    "Install Shardhouse, with a Python that all can run, where all can reach it: "
                    "in /opt/shardhouse, for example."
                )


def _refused(error: OSError) -> CliError:
    return CliError(f"{error.filename} cannot be changed: {error.strerror}.")


def _make_folder(unit: Unit) -> None:
    if not unit.data_dir.exists():
        unit.data_dir.mkdir(parents=True, mode=0o700)
        if unit.system:
            shutil.chown(unit.data_dir, unit.user)


def _note_variables(unit: Unit) -> None:
    """Variables of this shell are none of the service's."""
    ours = {name for name in os.environ if name.startswith("SHARDHOUSE_")}
    if names := sorted(ours - {credentials.DATA_DIR_VARIABLE}):
        output.note(
            f"The service does not get {', '.join(names)} of this shell: set them in "
            f"{unit.variables} (chmod 600, for it may hold secrets), or in "
            "shardhouse.toml."
        )


def _systemctl(unit: Unit, *words: str) -> str:
    """Run systemctl; why it failed, or nothing."""
    done = _run([*unit.systemctl, *words])
    if done is None:
        return "there is no systemctl"
    return (done.stderr.strip() or f"exit code {done.returncode}") if done.returncode else ""


def _await_answers(unit: Unit) -> None:
    """The service answers. Raises CliError where it fails: that systemd has begun its program says
    little."""
    installation = Installation(unit.data_dir)
    if not installation.comes_up(lambda: _said(unit, "is-active") == "failed", START_SECONDS):
        raise CliError(
            f"{unit.file.name} is {_said(unit, 'is-active')} and does not answer. Its log says "
            f"why: {_log(unit)}"
        )


def _log(unit: Unit) -> str:
    """The command that shows its log."""
    return f"journalctl {'-u' if unit.system else '--user -u'} {unit.name}"


def _said(unit: Unit, word: str) -> str:
    """A state in systemd's own word."""
    done = _run([*unit.systemctl, word, unit.file.name])
    return (done.stdout.strip() if done else "") or "unknown"


def _is_active(unit: Unit) -> bool:
    return _said(unit, "is-active") == "active"


def _lingers() -> bool:
    """Whether our own services go on without a login."""
    user = pwd.getpwuid(os.getuid()).pw_name
    done = _run(["loginctl", "show-user", user, "--property=Linger", "--value"])
    return done is not None and done.stdout.strip() == "yes"


def _run(command: list[str]) -> subprocess.CompletedProcess[str] | None:
    """None where there is no such program."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None


def _words(unit: Unit, *words: str) -> str:
    return " ".join([*unit.systemctl, *words])


def _argument(word: str) -> str:
    """A word of a unit's command, where `$` begins a variable."""
    return _quoted(word).replace("$", "$$")


def _quoted(word: str) -> str:
    """A word as units write it, where spaces part words."""
    escaped = _escaped(word).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if any(char in word for char in " \t\"'\\;") else escaped


def _escaped(text: str) -> str:
    """A value as units write it: `%` begins a specifier."""
    return text.replace("%", "%%")
