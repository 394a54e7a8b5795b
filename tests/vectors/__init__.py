"""The generator of `spec/cases`: `python -m tests.vectors.generate`."""
