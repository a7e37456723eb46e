"""Equations as people write them: read, judged line by line, and printed."""
