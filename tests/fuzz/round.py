"""One round: some mutations are made, and all four readers are asked about them at once."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.fuzz.mutation import Mutation
from tests.fuzz.readers import NATIVE, Program, Python, Question, requests_of
from tests.fuzz.verdict import Verdict

LANGUAGES = ("python", *NATIVE)
_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Answer:
    """What each language says about a mutation."""

    verdicts: dict[str, Verdict]

    @property
    def word(self) -> str:
        """The word of Python's verdict."""
        return str(self.verdicts["python"][0])

    @property
    def agreed(self) -> bool:
        """Whether all say the same, and none crashed."""
        return len(set(self.verdicts.values())) == 1 and self.word != "crashed"


class Asker:
    """The four readers; a context manager. `before` gets the number of what Python is asked next."""

    def __init__(self, before: Callable[[int], None] = lambda number: None) -> None:
        self._before = before
        self._python = Python()
        self._programs = {language: Program(language) for language in NATIVE}
        self._work = Path(
            tempfile.mkdtemp(prefix="edgebundle-fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None)
        )

    def ask(self, mutations: Sequence[Mutation], numbers: Sequence[int] = ()) -> list[Answer]:
        """Ask all readers about some mutations, which have these numbers."""
        questions = [self._question(mutation, str(index)) for index, mutation in enumerate(mutations)]
        requests = [requests_of(question) for question in questions]
        for program in self._programs.values():
            program.send(requests)
        known = numbers or range(len(questions))
        verdicts = {"python": [self._of_python(*pair) for pair in zip(known, questions, strict=True)]}
        verdicts |= {language: program.receive() for language, program in self._programs.items()}
        for path in self._work.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        rows = zip(*(verdicts[language] for language in LANGUAGES), strict=True)
        return [Answer(dict(zip(LANGUAGES, row, strict=True))) for row in rows]

    def _of_python(self, number: int, question: Question) -> Verdict:
        self._before(number)
        return self._python.ask(question)

    def close(self) -> None:
        """End the programs."""
        for program in self._programs.values():
            program.close()
        shutil.rmtree(self._work, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _question(self, mutation: Mutation, name: str) -> Question:
        if mutation.folder is None:
            assert mutation.manifest is not None
            return mutation.manifest
        path = self._work / name
        mutation.folder.write(path)
        return str(path), mutation.folder.options
