"""Options that many commands share."""

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Folder of the installation [env: SHARDHOUSE_DATA_DIR; "
        "default: ~/.local/share/shardhouse]",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
SpecLike = Annotated[
    str,
    typer.Option(
        "--spec",
        help="Size of its nodes, as in `instance create`; without it as they were.",
        show_default=False,
    ),
]
NewPort = Annotated[
    int | None, typer.Option("--port", help="Port of all its nodes; without it 8635.")
]
WaitUsable = Annotated[bool, typer.Option("--wait", help="Follow it until it is usable.")]
