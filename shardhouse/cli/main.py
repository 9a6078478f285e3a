"""The program `shardhouse`. The router starts before other commands are loaded, so it is quick.

Called `mongos`, the program is the router.
"""

import sys
from pathlib import Path


def main() -> None:
    """Entry point."""
    called, *arguments = sys.argv
    if Path(called).name == "mongos":  # by a symbolic link: what starts a mongos starts us
        arguments = ["router", *arguments]
    if arguments[:1] == ["router"]:
        from shardhouse.router.main import main as route

        sys.exit(route(arguments[1:]))
    from shardhouse.cli.commands import app

    app()


if __name__ == "__main__":
    main()
