"""Many mutations in several processes: counts, and every mutation that the readers do not agree about."""

import logging
import multiprocessing
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from tests.fuzz import mutation
from tests.fuzz.round import Answer, Asker

#: Mutations of one round.
ROUND = 200


@dataclass(frozen=True)
class Finding:
    """A mutation that the readers do not agree about, and what each says in short."""

    number: int
    kind: str
    said: dict[str, str]


@dataclass
class Result:
    """What a run found.

    Attributes:
        kinds: mutations by strategy.
        words: mutations by verdict, apart for manifests and folders: ``manifest`` or ``folder``,
        then the word.
        canonical: how many manifests were spelt canonically.
        seconds: wall time.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    words: Counter[tuple[str, str]] = field(default_factory=Counter)
    canonical: int = 0
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, other: "Result") -> None:
        """Count another part of the run."""
        self.kinds += other.kinds
        self.words += other.words
        self.canonical += other.canonical
        self.findings += other.findings

    @property
    def total(self) -> int:
        """Mutations in all."""
        return self.kinds.total()

    @property
    def manifests(self) -> int:
        """Mutations of manifests that were parsed by themselves."""
        return sum(count for kind, count in self.kinds.items() if not kind.startswith("folder"))

    def codes(self) -> set[str]:
        """The verdicts that occurred."""
        return {word for _, word in self.words}


def run(
    seed: int, first: int, count: int, jobs: int, tell: Callable[[Result], None] = lambda result: None
) -> Result:
    """Ask about the mutations `first` to `first + count` of a seed.

    Args:
        seed: of the mutations.
        first: number of the first.
        count: how many.
        jobs: processes; each has a program of every other language beside it.
        tell: called after each round with what is known so far.
    """
    mutation.seeds()  # builds the example, if need be, before many processes want it
    begin, result = time.monotonic(), Result()
    rounds = iter(
        [range(start, min(start + ROUND, first + count)) for start in range(first, first + count, ROUND)]
    )
    workers = [_Worker(seed) for _ in range(jobs)]
    try:
        busy = [worker for worker in workers if worker.begin(rounds)]
        while busy:
            for pipe in wait([worker.pipe for worker in busy]):
                worker = next(one for one in busy if one.pipe is pipe)
                result.add(worker.result())
                result.seconds = time.monotonic() - begin
                tell(result)
                if not worker.begin(rounds):
                    busy.remove(worker)
    finally:
        for worker in workers:
            worker.end()
    result.findings.sort(key=lambda finding: finding.number)
    result.seconds = time.monotonic() - begin
    return result


class _Worker:
    """A process with the four readers. Should the Python reader end it, the mutation is a finding."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._left: list[int] = []
        self._start()

    def _start(self) -> None:
        # A process of its own beginning: a library that was loaded before a fork does not work after it.
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._position = context.Value("q", -1)
        self._process = context.Process(target=_work, args=(self._seed, theirs, self._position), daemon=True)
        self._process.start()
        theirs.close()

    def begin(self, rounds: Iterator[range]) -> bool:
        """Begin with what is left, or the next round; False where there is none."""
        self._left = self._left or list(next(rounds, ()))
        if self._left:
            self.pipe.send(self._left)
        return bool(self._left)

    def result(self) -> Result:
        """What the round found; where the process ended, the mutation that ended it."""
        try:
            result: Result | str = self.pipe.recv()
            self._left = []
            if isinstance(result, str):
                raise RuntimeError(result)
            return result
        except (EOFError, OSError):
            self._process.join()
            number, code = self._position.value, self._process.exitcode
            if number not in self._left:
                raise RuntimeError(f"a process ended with {code} before its first mutation") from None
            # The others of the round are asked about again.
            self._left.remove(number)
            self._start()
            kind = mutation.make(self._seed, number).kind
            return Result(findings=[Finding(number, kind, {"python": f"ended with {code}"})])

    def end(self) -> None:
        """End the process."""
        self.pipe.close()
        self._process.terminate()
        self._process.join()


def _work(seed: int, pipe: Connection, position: Any) -> None:
    # What was left out is said once per opening. A warning of numpy is one that a caller would see.
    warnings.simplefilter("error", RuntimeWarning)
    logging.getLogger("bundle").setLevel(logging.CRITICAL)
    with Asker(lambda number: setattr(position, "value", number)) as asker:
        while True:
            try:
                numbers: list[int] = pipe.recv()
            except EOFError:
                return
            try:
                pipe.send(_round(asker, seed, numbers))
            except Exception:  # a fault of this harness, which ends the run
                pipe.send(traceback.format_exc())


def _round(asker: Asker, seed: int, numbers: Sequence[int]) -> Result:
    mutations = [mutation.make(seed, number) for number in numbers]
    result = Result()
    for number, one, answer in zip(numbers, mutations, asker.ask(mutations, numbers), strict=True):
        result.kinds[one.kind] += 1
        result.canonical += one.canonical
        result.words["manifest" if one.folder is None else "folder", answer.word] += 1
        if not answer.agreed:
            result.findings.append(Finding(number, one.kind, _short(answer)))
    return result


def _short(answer: Answer) -> dict[str, str]:
    return {language: " ".join(map(str, verdict[:2]))[:400] for language, verdict in answer.verdicts.items()}
