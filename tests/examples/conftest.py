"""The scripts of examples/questions import each other by plain name, as when they are run."""

from __future__ import annotations

import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "examples" / "questions"

sys.path.insert(0, str(SCRIPTS))
