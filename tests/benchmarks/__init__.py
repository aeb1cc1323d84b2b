"""What the pipelines are measured by: `make bench-stream`, `make bench-batch`; no tests."""
