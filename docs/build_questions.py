"""Build the pages of docs/questions: run their code and write what it prints below it.

``python docs/build_questions.py`` rewrites the pages and their pictures in place. In a page,

- a ```` ```python ```` block is run, after the blocks above it, and so is what stands in a comment
  ``<!-- run … -->``, which readers do not see;
- the ```` ```text ```` or ```` ```math ```` block after it becomes what it printed;
- a ```` ```notes ```` block becomes the file ``notes.md``;
- in a ```` ```console ```` block every line ``$ backlit …`` is run, and what it prints follows;
- a picture that the code saves goes to docs/pictures.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backlit.explain.derive import Line

DOCS = Path(__file__).parent
PAGES = tuple(sorted((DOCS / "questions").glob("*.md")))
_ROOT = DOCS.parent
_BLOCK = re.compile(
    r"^(?P<open>```(?P<kind>python|text|math|notes|console)|<!-- run)\n"
    r"(?P<body>.*?)^(?P<close>```|-->)$",
    re.MULTILINE | re.DOTALL,
)
_END_OF_BLOCK = "\x1e"


@dataclass(frozen=True)
class Built:
    """A page as its code makes it now.

    Attributes
    ----------
    text : str
    pictures : dict of str to str
        SVG by file name.
    """

    text: str
    pictures: dict[str, str]


def build(page: Path) -> Built:
    """Run a page and return it with its outputs and pictures.

    Parameters
    ----------
    page : Path

    Returns
    -------
    Built

    Raises
    ------
    subprocess.CalledProcessError
        If its code fails.
    """
    text = page.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        printed = _run_code(text, Path(folder))
        last = ""

        def renewed(match: re.Match[str]) -> str:
            nonlocal last
            kind, body = match["kind"] or "python", match["body"]
            if kind == "python":
                last = printed.pop(0)
            elif kind == "notes":
                (Path(folder) / "notes.md").write_text(body, encoding="utf-8")
            else:
                body = _run_commands(body, Path(folder)) if kind == "console" else last
            return f"{match['open']}\n{body}{match['close']}"

        text = _BLOCK.sub(renewed, text)
        pictures = {
            path.name: path.read_text(encoding="utf-8") for path in Path(folder).glob("*.svg")
        }
    return Built(text, pictures)


def _run_code(text: str, folder: Path) -> list[str]:
    """Run all code of a page as one program; return what each block printed."""
    # A file, so that messages name its lines and a function's source can be read.
    blocks = [m["body"] for m in _BLOCK.finditer(text) if m["kind"] in ("python", None)]
    (folder / "page.py").write_text(
        "".join(f"{block}print({_END_OF_BLOCK!r}, end='')\n" for block in blocks), encoding="utf-8"
    )
    out = _run([sys.executable, "-W", "error", "page.py"], folder)
    return [part and part.rstrip() + "\n" for part in out.split(_END_OF_BLOCK)]


def _run_commands(body: str, folder: Path) -> str:
    """Return the commands of a console block, each with what it prints."""
    parts = []
    for line in body.splitlines():
        if line.startswith("$ backlit "):
            command = [sys.executable, "-m", "backlit", *shlex.split(line)[2:]]
            parts.append(f"{line}\n{_run(command, folder, check=False).rstrip()}\n")
    return "\n".join(parts)


def _run(command: list[str], folder: Path, check: bool = True) -> str:
    places = [_ROOT, _ROOT / "examples" / "questions", DOCS]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, places)),
        "PYTHONIOENCODING": "utf-8",
        "NO_COLOR": "1",
        "COLUMNS": "88",
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, check=check, encoding="utf-8"
    )
    return done.stdout


def aligned(lines: Iterable[Line]) -> str:
    """Return lines of a derivation as LaTeX, one below the other; for the code of a page."""
    from backlit.explain.equation.text.printing import latex

    rows = [latex(line.equation).replace(" = ", " &= ", 1) for line in lines]
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


def main() -> None:
    """Rewrite every page, or those that are named, and their pictures."""
    for page in [Path(name).resolve() for name in sys.argv[1:]] or PAGES:
        built = build(page)
        page.write_text(built.text, encoding="utf-8")
        for name, picture in built.pictures.items():
            (DOCS / "pictures" / name).write_text(picture, encoding="utf-8")
        print(f"{page.name}: {len(built.pictures)} pictures")


if __name__ == "__main__":
    main()
