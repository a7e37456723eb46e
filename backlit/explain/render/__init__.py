"""Printers of documents: terminal, LaTeX, MathML, HTML."""
