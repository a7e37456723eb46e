"""What ``backlit`` alone prints, and the examples of ``backlit --help``."""

from __future__ import annotations

TOUR = """Backlit: backpropagation you can see through.

  backlit demo                                     watch a network learn handwritten digits
  backlit train flowers.csv --target species       train on a table of your own
  backlit predict backlit-flowers new.csv          what the model makes of other rows
  backlit explain backlit-flowers flowers.csv --row 0 --weight 'layers.0.W[2,5]'
                                                   one weight's gradient, step by step
  backlit check homework.md                        are these derivatives right? line by line
  backlit doctor                                   what is installed, and does it work
  backlit cache                                    what compiled code is kept, and where

Each command explains itself: backlit train --help. In Python: import backlit as bl"""

EXAMPLES = """\b
Examples:
  backlit demo
  backlit train flowers.csv --target species
  backlit predict backlit-flowers new.csv --out predictions.csv
  backlit explain backlit-flowers flowers.csv --row 0 --weight 'layers.0.W[2,5]'
  backlit check homework.md
"""
