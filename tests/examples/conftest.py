"""Scripts of examples/questions and docs are imported by plain name, as when they are run."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

sys.path[:0] = [str(ROOT / "examples" / "questions"), str(ROOT / "docs")]
