"""What is wrong with a command line, in the words of every other message."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

_KINDS = {"integer": "a whole number", "number": "a number", "boolean": "yes or no"}
# How a message about a setting begins: its name, and its value up to what it must be.
_SETTING = re.compile(r"([a-z_]+) is (\S.*?)(?=; it must be|\n|$)")
_WORDS = 9  # that a name may have been cut into


def usage_message(error: Any, arguments: Sequence[str]) -> str:
    """Return what is wrong, what may have been meant, and where to read more.

    Parameters
    ----------
    error : Exception
        Of the command line's library.
    arguments : sequence of str
        The command line.

    Returns
    -------
    str
    """
    context = getattr(error, "ctx", None)
    words = ["backlit", *arguments[:1]] if arguments[:1] and arguments[0][0] != "-" else ["backlit"]
    path = " ".join(words) if context is None else context.command_path
    what, fix = _described(error, arguments)
    return f"{what}\n  fix: {fix or f'see {path} --help'}"


def as_typed(text: str, arguments: Sequence[str]) -> str:
    """Return a message about a setting with the option and the value that were typed.

    Parameters
    ----------
    text : str
        Of a function, which calls its arguments by their names: ``rate is -1.0; it must be …``.
    arguments : sequence of str
        The command line.

    Returns
    -------
    str

    Examples
    --------
    >>> as_typed("weight_decay is -1.0; it must be above 0", ["train", "--weight-decay", "-1"])
    '--weight-decay is -1; it must be above 0'
    """
    found = _SETTING.match(text)
    if found is None:
        return text
    option = f"--{found[1].replace('_', '-')}"
    value = _typed_value([option], arguments)
    if value is None:
        return text
    said = found[2] if found[2].startswith(("'", '"')) else f"{value:.60}"
    return f"{option} is {said}{text[found.end() :]}"


def _described(error: Any, arguments: Sequence[str]) -> tuple[str, str | None]:
    """Return what is wrong, and what to write if that can be told."""
    kind = type(error).__name__
    text = error.format_message()
    if kind == "NoSuchOption":
        return _unknown_option(error)
    if kind == "MissingParameter":
        return _missing(error)
    if kind == "BadOptionUsage" and "requires an argument" in text:
        return f"{error.option_name} needs a value", None
    if kind == "BadParameter" and error.param is not None:
        name, value = _given(error.param, arguments)
        wanted = next((words for word, words in _KINDS.items() if f"valid {word}" in text), None)
        if wanted and value is not None:
            return f"{name} is {value!r:.60}; it must be {wanted}", None
    if text.startswith("No such command"):
        return _unknown_command(error, arguments)
    if "unexpected extra argument" in text:
        return _extra(error, arguments, text)
    return text[:1].lower() + text[1:].rstrip("."), None


def _unknown_option(error: Any) -> tuple[str, str | None]:
    what = f"there is no option {error.option_name}"
    if error.ctx is None:
        return what, None
    known = [name for p in error.ctx.command.params for name in (*p.opts, *p.secondary_opts)]
    by_word = {name.lstrip("-"): name for name in known if name.startswith("--")} | {
        "help": "--help"
    }
    # Without the dashes, which all of them have in common.
    near = get_close_matches(str(error.option_name).lstrip("-"), by_word, n=1, cutoff=0.65)
    return what, _guess(by_word[near[0]], error.ctx) if near else None


def _unknown_command(error: Any, arguments: Sequence[str]) -> tuple[str, str | None]:
    name = next((word for word in arguments if not word.startswith("-")), "")
    near = get_close_matches(name, error.ctx.command.commands, n=1)
    return f"there is no command {name!r}", _guess(near[0], error.ctx) if near else None


def _guess(word: str, context: Any) -> str:
    return f"did you mean {word}? See {context.command_path} --help"


def _missing(error: Any) -> tuple[str, str | None]:
    name = next((opt for opt in error.param.opts if opt.startswith("--")), None)
    if name is None:
        return f"{error.param.metavar} is missing", None
    return (
        f"{name} is missing",
        f"{name} {error.param.metavar}; see {error.ctx.command_path} --help",
    )


def _given(param: Any, arguments: Sequence[str]) -> tuple[str, str | None]:
    """Return an option as it was typed, and the value typed after it."""
    name = next((word.partition("=")[0] for word in arguments if _is_one(word, param.opts)), None)
    return name or str(param.metavar), _typed_value(param.opts, arguments)


def _typed_value(options: Sequence[str], arguments: Sequence[str]) -> str | None:
    """Return the value that was typed after an option, the last time it was given."""
    found = None
    for place, word in enumerate(arguments):
        if _is_one(word, options):
            _, equals, value = word.partition("=")
            found = value if equals else next(iter(arguments[place + 1 :]), None)
    return found


def _is_one(word: str, options: Sequence[str]) -> bool:
    return word.partition("=")[0] in options


def _extra(error: Any, arguments: Sequence[str], text: str) -> tuple[str, str | None]:
    """Return what to say of several files where one was expected: a pattern without quotes."""
    files = [word for word in arguments if os.path.isfile(word)]
    spaced = _spaced_name(arguments)
    if spaced:
        return f"the name {spaced} has spaces", f"put it in quotes: {spaced!r}"
    if len(files) < 2:
        words = text.partition("(s) (")[2].rstrip(")").split()
        return f"there is no use here for {' '.join(words)!r:.60}", None
    what = f"one table was expected, and there are {len(files)}: {', '.join(files[:3])}"
    what += ", …" if len(files) > 3 else ""
    start = os.path.commonprefix(files)
    end = os.path.commonprefix([name[len(start) :][::-1] for name in files])[::-1]
    fix = f"to read them as one, put the pattern in quotes: '{start}*{end}'"
    return what, f"{fix}; see {error.ctx.command_path} --help"


def _spaced_name(arguments: Sequence[str]) -> str | None:
    """Return the file whose name the shell has cut at its spaces."""
    for first in range(len(arguments)):
        for after in range(first + 2, min(first + _WORDS, len(arguments)) + 1):
            name = " ".join(arguments[first:after])
            if os.path.isfile(name):
                return name
    return None
