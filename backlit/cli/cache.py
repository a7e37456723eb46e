"""``backlit cache``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

EXAMPLES = """\b
Examples:
  backlit cache
  backlit cache info --json
  backlit cache clear
"""


def cache(action: str = "info") -> dict[str, Any]:
    """Look at the compiled code that is kept between runs, or remove it.

    Parameters
    ----------
    action : {"info", "clear"}

    Returns
    -------
    dict
        ``folder``, and how many ``files`` and ``bytes`` it holds (held, when cleared), and the
        ``limit`` in bytes beyond which what was used longest ago is removed.

    Raises
    ------
    InputError
        If there is no such action.

    Examples
    --------
    >>> sorted(cache())
    ['bytes', 'files', 'folder', 'limit']
    """
    from backlit.compiler.cache import clear, info
    from backlit.core.settings import choice

    found = clear() if choice(action, ("info", "clear"), "action") == "clear" else info()
    return {
        "folder": str(found.folder),
        "files": found.files,
        "bytes": found.nbytes,
        "limit": found.limit,
    }


def command(
    action: Annotated[
        str,
        typer.Argument(metavar="[info|clear]", help="Say what is there, or remove it."),
    ] = "info",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was found as one line of JSON, for scripts.")
    ] = False,
) -> None:
    """Say how much compiled code is kept between runs, or remove it.

    Training is compiled to machine code, which is kept so that the next run begins at once.
    Removing it loses nothing but that time.
    """
    from backlit.cli.output import print_json

    found = cache(action)
    if as_json:
        print_json(found)
        return
    verb = "removed" if action == "clear" else "kept"
    size, limit = (f"{found[name] / 2**20:.1f} MiB" for name in ("bytes", "limit"))
    programs = "program" if found["files"] == 1 else "programs"
    print(f"{verb} {found['files']} compiled {programs}, {size}, in {found['folder']}")
    if action != "clear":
        print(f"at most {limit} are kept; backlit cache clear removes them")
