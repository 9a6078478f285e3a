"""The program `shardhouse`. The router goes round all other commands, so that it starts at once."""

import sys


def main() -> None:
    """Entry point."""
    if sys.argv[1:2] == ["router"]:
        from shardhouse.router.main import main as route

        sys.exit(route(sys.argv[2:]))
    from shardhouse.cli.commands import app

    app()


if __name__ == "__main__":
    main()
