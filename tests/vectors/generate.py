"""Writes `spec/cases` from the functions of this package, or compares it with them."""

import argparse
import importlib
import shutil
import sys
from pathlib import Path

from tests.vectors import libraries
from tests.vectors.case import REGISTRY, Case

CASES = Path(__file__).resolve().parents[2] / "spec" / "cases"
GROUPS = ("valid", "invalid", libraries.FOLDER)
MODULES = (
    "batches",
    "buffers",
    "calls",
    "fields",
    "formats",
    "golden_headers",
    "golden_strings",
    "goldens",
    "grammar",
    "handles",
    "lexical",
    "meaning",
    "models",
    "opening",
    "option_types",
    "options",
    "orders",
    "pairs",
    "pairs_calls",
    "pairs_opening",
    "paths",
    "requests",
    "seams",
    "signatures",
    "spelling",
    "valid_calls",
    "valid_decisions",
    "valid_dtypes",
    "valid_opening",
    "valid_ort",
    "valid_parsing",
    "valid_selftest",
    "valid_sessions",
    "valid_tolerances",
    "valid_values",
)


def all_cases() -> list[Case]:
    """Every case that the generator makes, by name."""
    for module in MODULES:
        importlib.import_module(f"tests.vectors.{module}")
    return [REGISTRY[name]() for name in sorted(REGISTRY)]


def all_files() -> dict[str, bytes]:
    """Every generated file, by its path in `spec/cases`."""
    made = {path: data for case in all_cases() for path, data in case.files().items()}
    return made | libraries.files()


def committed() -> dict[str, bytes]:
    """What stands in `spec/cases` where the generator writes."""
    found = (path for group in GROUPS for path in sorted((CASES / group).rglob("*")))
    return {path.relative_to(CASES).as_posix(): path.read_bytes() for path in found if path.is_file()}


def differences() -> list[str]:
    """One line for each file that is missing, stale or left over."""
    made, there = all_files(), committed()
    lines = [f"missing: {path}" for path in made.keys() - there.keys()]
    lines += [f"left over: {path}" for path in there.keys() - made.keys()]
    lines += [f"stale: {path}" for path in made.keys() & there.keys() if made[path] != there[path]]
    return sorted(lines)


def write() -> int:
    """Write every case again; return how many files that makes. `released` is never touched."""
    made = all_files()
    for group in GROUPS:
        shutil.rmtree(CASES / group, ignore_errors=True)
    for path, data in made.items():
        target = CASES / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return len(made)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.vectors.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare and write nothing")
    if not parser.parse_args().check:
        print(f"{write()} files in {len(REGISTRY)} cases")
        return 0
    lines = differences()
    print("\n".join(lines) or "equal")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
