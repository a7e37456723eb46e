"""Benchmarks: run with `make bench`, or one at a time with `python -m bench.eager`."""
