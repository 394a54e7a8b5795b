"""The readers of all four languages agree about mutated manifests, golden files, models and folders."""

import json
import os
import sys
from pathlib import Path

import pytest

from bundle.error import BundleError
from bundle.manifest import Manifest
from bundle.spec import table
from tests.fuzz import __main__ as program
from tests.fuzz import mutation, planted, readers, runner
from tests.fuzz.verdict import ACCEPTED, CRASHED, FAILED, PASSED

SEED = planted.SEED
MUTATIONS = 20_000
# Codes of the stages manifest and open that no mutation can lead to, and why.
OUT_OF_REACH: dict[str, str] = {}


def codes(*stages: str) -> set[str]:
    return {row["code"] for row in table("errors")["errors"] if row["stage"] in stages}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_all_readers_agree_about_twenty_thousand_mutations(capsys: pytest.CaptureFixture[str]) -> None:
    result = runner.run(SEED, 0, MUTATIONS, jobs=2)
    with capsys.disabled():
        print(f"\nseed {SEED}\n{program.table(result)}")
    again = [
        f"python -m tests.fuzz --seed {SEED} --only {found.number}: {found.said}" for found in result.findings
    ]
    assert not again, "\n".join(again)
    assert result.total == MUTATIONS
    assert result.canonical * 2 >= result.manifests
    wanted = codes("manifest", "open") | {ACCEPTED, PASSED, FAILED}
    assert wanted - result.codes() == set(OUT_OF_REACH)


def test_a_mutation_is_the_same_in_every_run() -> None:
    first, again = ([mutation.make(SEED, number) for number in range(200)] for _ in range(2))
    assert first == again
    assert len({one.kind for one in first}) > 5


def test_half_of_the_mutated_manifests_are_read_beyond_their_spelling() -> None:
    def spelling(one: mutation.Mutation) -> bool:
        try:
            Manifest.parse(one.manifest or b"")
        except BundleError as error:
            return error.code in ("manifest_malformed", "manifest_not_canonical", "manifest_too_large")
        return False

    manifests = [one for one in (mutation.make(SEED, n) for n in range(3000)) if one.folder is None]
    assert sum(not spelling(one) for one in manifests) * 2 >= len(manifests)


def test_what_was_changed_in_a_file_is_sealed_again() -> None:
    changed = [mutation.make(SEED, number) for number in range(2000)]
    folders = [one.folder for one in changed if one.kind in ("folder golden", "folder model") and one.folder]
    assert folders
    for folder in folders:
        for entry in json.loads(folder.files[b"bundle.json"])["files"]:
            assert entry["size"] == len(folder.files[os.fsencode(entry["path"])])


def test_a_finding_is_reproduced_and_made_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader with a planted fault: it takes every manifest that names a task."""
    right = readers.Python.ask

    def wrong(self: readers.Python, question: readers.Question) -> tuple[object, ...]:
        return (
            ("accepted",) if isinstance(question, bytes) and b'"tasks"' in question else right(self, question)
        )

    monkeypatch.setattr(readers.Python, "ask", wrong)
    numbers = (n for n in range(3000) if b'"tasks"' in (mutation.make(SEED, n).manifest or b""))
    number = next(n for n in numbers if not program._one(SEED, n, tmp_path))
    small = (tmp_path / f"{SEED}-{number}" / "bundle.json").read_bytes()
    assert small == b'"tasks"'
    said = json.loads((tmp_path / f"{SEED}-{number}" / "finding.json").read_bytes())["said"]
    assert said["python"] == ["accepted"] and said["rust"] == said["go"] == said["cpp"] != said["python"]


FAKE = """
import json, os, sys, time
for line in sys.stdin:
    data = bytes.fromhex(json.loads(line)["manifest"])
    if data == b"crash":
        os._exit(3)
    if data == b"hang":
        time.sleep(60)
    print("no reply" if data == b"babble" else '{"ok": true}', flush=True)
"""


def test_a_program_that_ends_hangs_or_babbles_is_a_finding_and_the_rest_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readers, "PATIENCE", 1.0)
    native = readers.Program("rust")
    native._command = [sys.executable, "-c", FAKE]
    said = [b"a", b"crash", b"b", b"hang", b"c", b"babble", b"crash", b"d"]
    native.send([readers.requests_of(question) for question in said])
    verdicts = native.receive()
    native.close()
    assert [words[0] for words in verdicts] == [
        ACCEPTED, CRASHED, ACCEPTED, CRASHED, ACCEPTED, CRASHED, CRASHED, ACCEPTED,
    ]  # fmt: skip
    assert "exit code 3" in verdicts[1][1] and "TimeoutError" in verdicts[3][1]


def test_a_mutation_that_ends_the_process_of_python_is_a_finding_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner, "_work", planted.work)
    result = runner.run(planted.SEED, 0, 60, jobs=1)
    [found] = result.findings
    assert found.number == planted.deadly()
    assert found.said == {"python": "ended with 7"}
    assert result.total == 59
