"""Passwords: from standard input, a variable or a prompt; never from the command line."""

import os
import sys

import typer

from shardhouse.cli.output import CliError

INSTANCE = "SHARDHOUSE_INSTANCE_PASSWORD"
USER = "SHARDHOUSE_USER_PASSWORD"


def given(stdin: bool, variable: str, option: str = "--password-stdin") -> str | None:
    """The first line of standard input if `stdin`, which `option` says, else the variable's value,
    if it has one."""
    if stdin:
        line = sys.stdin.readline().rstrip("\r\n")
        if not line:
            raise CliError(f"{option}: standard input is empty, a line is expected.")
        return line
    return os.environ.get(variable) or None


def ask(stdin: bool, variable: str, words: str, *, confirm: bool) -> str:
    """A password from wherever it is given, else typed by the person at the terminal."""
    found = given(stdin, variable)
    if found is not None:
        return found
    if not sys.stdin.isatty():
        raise CliError(
            f"No password: nobody is at the terminal to type it. Pass it with --password-stdin "
            f"or in {variable}."
        )
    typed: str = typer.prompt(words, hide_input=True, confirmation_prompt=confirm, err=True)
    return typed
