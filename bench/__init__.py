"""Benchmarks: `make bench` for speed, `make accuracy`, or one alone: `python -m bench.eager`."""
