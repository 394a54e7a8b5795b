"""Ask the four readers about mutations: `python -m tests.fuzz --seed S --count N`, or `--only N`."""

import argparse
import json
import sys
import time
from pathlib import Path

from tests.fuzz import mutation
from tests.fuzz.minimise import minimise
from tests.fuzz.mutation import ROOT, Mutation
from tests.fuzz.round import Answer, Asker
from tests.fuzz.runner import Finding, Result, run

_FINDINGS = ROOT / "build" / "fuzz" / "findings"


def main() -> int:
    """Run, print the table, and write every finding made small to a folder; return 1 where there is one."""
    given = _arguments()
    if given.only is not None:
        return 0 if _one(given.seed, given.only, given.findings) else 1
    last = [time.monotonic()]

    def tell(result: Result) -> None:
        if time.monotonic() - last[0] > given.every:
            last[0] = time.monotonic()
            print(_progress(result), file=sys.stderr, flush=True)

    print(f"seed {given.seed}, mutations {given.first} to {given.first + given.count - 1}", flush=True)
    result = run(given.seed, given.first, given.count, given.jobs, tell)
    print(table(result))
    for finding in result.findings[: given.most]:
        print(f"\n{finding.kind}: python -m tests.fuzz --seed {given.seed} --only {finding.number}")
        print("".join(f"  {language:7} {said}\n" for language, said in finding.said.items()), end="")
        if _python_lives(finding):
            _one(given.seed, finding.number, given.findings, quiet=True)
    return 1 if result.findings else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first mutation")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument(
        "--only", type=int, help="show one mutation, and make it small if the readers disagree"
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--every", type=float, default=60, help="seconds between two lines of progress")
    parser.add_argument("--most", type=int, default=20, help="how many findings are made small")
    parser.add_argument("--findings", type=Path, default=_FINDINGS)
    return parser.parse_args()


def _progress(result: Result) -> str:
    rate = result.total / max(result.seconds, 1e-9)
    return f"{result.total} mutations, {rate:.0f} a second, {len(result.findings)} findings"


def table(result: Result) -> str:
    """Return the counts as text: by strategy, and by what the readers said."""
    share = 100 * result.canonical / max(result.manifests, 1)
    lines = [f"{_progress(result)}; {share:.1f} % of {result.manifests} manifests are canonical", ""]
    lines += [f"{count:9}  {kind}" for kind, count in sorted(result.kinds.items())]
    for part in ("manifest", "folder"):
        counts = sorted(
            ((word, count) for (where, word), count in result.words.items() if where == part),
            key=lambda row: -row[1],
        )
        lines += ["", f"what all four say of a {part}:", *(f"{count:9}  {word}" for word, count in counts)]
    return "\n".join(lines)


def _python_lives(finding: Finding) -> bool:
    return len(finding.said) > 1


def _one(seed: int, number: int, folder: Path, quiet: bool = False) -> bool:
    """Ask about one mutation; return whether all agree."""
    found = mutation.make(seed, number)
    with Asker() as asker:
        [answer] = asker.ask([found])
        if not quiet:
            _show(answer, f"mutation {number}: {found.kind}")
        if answer.agreed:
            return True
        small = minimise(asker, found)
        [answer] = asker.ask([small])
    place = folder / f"{seed}-{number}"
    _write(small, answer, place)
    print(f"  made small: {place}")
    return False


def _show(answer: Answer, title: str) -> None:
    print(title)
    for language, said in answer.verdicts.items():
        print(f"  {language:7} {' '.join(map(str, said))}")


def _write(small: Mutation, answer: Answer, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    said = {language: list(map(str, verdict)) for language, verdict in answer.verdicts.items()}
    options = small.folder.options if small.folder else {}
    (place / "finding.json").write_text(
        json.dumps({"kind": small.kind, "options": options, "said": said}, indent=1)
    )
    if small.manifest is not None:
        (place / "bundle.json").write_bytes(small.manifest)
    elif small.folder is not None and not (place / "bundle").exists():
        small.folder.write(place / "bundle")


if __name__ == "__main__":
    sys.exit(main())
