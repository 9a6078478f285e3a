"""The commands, and the one place where their errors are printed."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from shardhouse.cli import (
    advice,
    backups,
    browser,
    call,
    demo,
    doctor,
    engines,
    env,
    events,
    iam,
    init,
    instances,
    jobs,
    output,
    parameters,
    restores,
    service,
    snapshots,
    systemd,
)
from shardhouse.errors import ShardhouseError


class _Commands(TyperGroup):
    """Tells expected errors in one line and exits with 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ShardhouseError as error:
            output.error(error.message)
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="markdown",  # plain "rich" drops what is in brackets: defaults
    pretty_exceptions_enable=False,  # a bug in `serve` goes to a log, and locals hold passwords
    help="A self-hosted Document Database Service.",
)
app.command()(init.init)
app.command()(service.serve)
app.command()(service.up)
app.command()(service.status)
app.command()(service.down)
app.command("open")(browser.open_console)
app.command()(demo.demo)
app.command()(doctor.doctor)
app.command()(env.env)
app.command()(restores.restore)
instances.app.command()(restores.clone)
instances.app.command()(advice.advise)
app.add_typer(systemd.app, name="service")
app.add_typer(instances.app, name="instance")
app.add_typer(backups.app, name="backup")
app.add_typer(snapshots.app, name="snapshot")
app.add_typer(parameters.app, name="parameter")
app.add_typer(jobs.app, name="job")
app.add_typer(engines.app, name="engine")
app.add_typer(events.app, name="event")
app.add_typer(iam.app, name="iam")
app.add_typer(call.app, name="call")


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """A self-hosted Document Database Service."""
    if version:
        from importlib.metadata import version as installed

        print(f"shardhouse {installed('shardhouse')}")
        raise typer.Exit


@app.command(
    "router",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    add_help_option=False,
)
def router(arguments: Annotated[list[str] | None, typer.Argument(metavar="...")] = None) -> None:
    """Run a query router; takes the options of mongos."""
    from shardhouse.router.main import main as run

    raise typer.Exit(run(arguments or []))
