"""The commands and their options."""

from __future__ import annotations

import functools
from typing import Annotated, Any

import typer
import typer.core

import backlit
from backlit.cli import cache, check, demo, doctor, explain, predict, tour, train

_ABOUT = """Differentiate, train and explain neural networks.

Results go to stdout and everything else to stderr. Bad input ends with a message and exit code 2.
"""


def _version(asked: bool) -> None:
    if asked:
        print(f"backlit {backlit.__version__}")
        raise typer.Exit()


def _start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(tour.TOUR)


class _Command(typer.core.TyperCommand):
    """A command whose usage line names what it needs, as it is typed."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        arguments = [p.metavar or "" for p in self.params if p.param_type_name == "argument"]
        required = [
            f"{p.opts[0]} {p.metavar}"
            for p in self.params
            if p.param_type_name == "option" and p.required
        ]
        return [*arguments, *required, "[OPTIONS]"]


def app() -> typer.Typer:
    """Return the command line as typer knows it.

    Returns
    -------
    Typer
    """
    # Plain help: it can be piped, searched and read by a screen reader, and comes up at once.
    made = typer.Typer(help=_ABOUT, rich_markup_mode=None, pretty_exceptions_enable=False)
    made.callback(invoke_without_command=True, epilog=tour.EXAMPLES)(_start)
    for module in (demo, train, predict, explain, check, doctor, cache):
        name = module.__name__.rpartition(".")[2]
        made.command(name, cls=_Command, epilog=module.EXAMPLES, no_args_is_help=False)(
            module.command
        )
    return made


@functools.cache
def command() -> Any:
    """Return the command line as an object that runs it."""
    return typer.main.get_command(app())


def usage_error() -> type[Exception]:
    """Return the class of the errors in a command line: that of a wrong parameter is one of it."""
    base = typer.BadParameter.__base__
    assert base is not None and issubclass(base, Exception)
    return base
