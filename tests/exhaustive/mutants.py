"""Check every mutant of the corpus: ``python -m tests.exhaustive.mutants [topic ...]``.

Each right claim of each sheet with each edit that makes it wrong; the test suite holds a sample of
them to the same bars. Prints those that are called right or not diagnosed, and a table. It takes
about twenty minutes.
"""

from __future__ import annotations

import sys

from tests.explain.equation.corpus.judging import DIAGNOSED, judged, table
from tests.explain.equation.corpus.mutants import every


def main(topics: list[str]) -> int:
    """Check the mutants of some topics, or of all, and tell whether they miss a bar."""
    found = []
    for mutant in every():
        if not topics or mutant.sheet.topic in topics:
            found.append(judged(mutant))
            if found[-1].fault:
                print(found[-1], flush=True)
    print(table(found))
    called_right = any(j.is_right or j.verdict is None for j in found)
    diagnosed = sum(not j.fault for j in found)
    return int(called_right or diagnosed < DIAGNOSED * len(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
