"""Benchmarks of the pipelines: `make bench-stream`, `make bench-batch`; these are not tests."""
