"""ONNX's node tests, each built into a bundle and asked for its answer beside plain ONNX Runtime."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

import bundle
from bundle.builder import BuildResult, build_many
from bundle.builder.project import Project
from bundle.error import BundleError
from bundle.library import host_arch, load
from tests.build.projects import project
from tests.devset.models import node_cases

# What the ONNX backend tests compare with.
RTOL, ATOL = 1e-3, 1e-7

PROCESSES, PER_PROOF = 2, 100

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Verdict:
    """What came of one node test.

    Attributes:
        name: of the test.
        error: the code of the build's error; empty where there is a bundle.
        subject: of the error.
        found: of the error.
        same: whether the bundle's `.onnx` answers byte for byte as plain ONNX Runtime does.
        expected: by format, whether that file answers what the test expects.
        plain: whether plain ONNX Runtime does; None where it refuses the model or cannot be fed.
        refusal: what plain ONNX Runtime said where it refused.
        operators: of the model.
        opset: of the model.
        path: of the bundle; empty where there is none.
    """

    name: str
    error: str = ""
    subject: str = ""
    found: str = ""
    same: bool = False
    expected: Mapping[str, bool | None] = field(default_factory=dict)
    plain: bool | None = None
    refusal: str = ""
    operators: frozenset[str] = frozenset()
    opset: int = 0
    path: str = ""


def judge_all(work: Path) -> list[Verdict]:
    """Judge every node test, in processes of their own."""
    spawn = multiprocessing.get_context("spawn")
    pieces = list(_chunks(node_cases(), PER_PROOF))
    with ProcessPoolExecutor(PROCESSES, mp_context=spawn) as pool:
        return [one for piece in pool.map(judge, pieces, [str(work)] * len(pieces)) for one in piece]


def judge(folders: Sequence[str], work: str) -> list[Verdict]:
    """Build all of these tests with one replaying process, and judge each."""
    cases = [_Case(Path(folder), Path(work)) for folder in folders]
    built = build_many([case.project() for case in cases])
    return [case.verdict(result) for case, result in zip(cases, built, strict=True)]


class _Case:
    """One test: a model, its inputs, and the outputs that it must give."""

    def __init__(self, folder: Path, work: Path) -> None:
        self.name = folder.name.removeprefix("test_")
        self.path = folder / "model.onnx"
        self._work = work
        self.model = onnx.load(self.path)
        data = folder / "test_data_set_0"
        self.inputs = _tensors(self.model.graph.input, data, "input")
        self.outputs = _tensors(self.model.graph.output, data, "output")

    def project(self) -> Project:
        """Return the project, with the test's own inputs as its golden case.

        What NumPy does not hold is built without: refusing it is the builder's task.
        """
        build = {}
        if self.inputs:
            golden = self._work / f"{self.name}.npz"
            np.savez(golden, allow_pickle=False, **{f"inputs/{k}": _row(v) for k, v in self.inputs.items()})
            build["golden"] = str(golden)
        name = self.name[:64].strip("._-")
        output = self._work / "out" / self.name
        return project(self.path, output, host_arch(), model={"name": name}, build=build)

    def verdict(self, built: list[BuildResult] | BundleError) -> Verdict:
        """Compare the bundle's answers with plain ONNX Runtime's and with the expected ones."""
        plain, refusal = self._plain()
        known = {
            "name": self.name,
            "plain": self._meets(plain),
            "refusal": refusal,
            "operators": frozenset(node.op_type for node in self.model.graph.node),
            "opset": max((each.version for each in self.model.opset_import if not each.domain), default=0),
        }
        if isinstance(built, BundleError):
            return Verdict(error=built.code, subject=built.subject, found=built.found, **known)
        answers = {}
        for form in [row["format"] for row in built[0].report["verify"]]:
            with bundle.open(built[0].path, format=form) as predictor:
                answers[form] = predictor.predict(self.inputs or {})
        expected = {form: self._meets(answer) for form, answer in answers.items()}
        same = _equal(answers["onnx"], plain)
        return Verdict(same=same, expected=expected, path=str(built[0].path), **known)

    def _plain(self) -> tuple[Arrays | None, str]:
        """Return what ONNX Runtime itself answers, or why it does not."""
        library = load()
        options = library.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        try:
            session = library.InferenceSession(self.path, options, providers=["CPUExecutionProvider"])
            names = [port.name for port in session.get_outputs()]
            return dict(zip(names, session.run(names, self.inputs or {}), strict=True)), ""
        except Exception as error:
            return None, f"{type(error).__name__}: {error}"

    def _meets(self, answers: Arrays | None) -> bool | None:
        """Tell whether answers are the expected ones, as the ONNX backend tests judge it."""
        if answers is None or self.outputs is None:
            return None
        return all(_near(answers[name], expected) for name, expected in self.outputs.items())


def _tensors(ports: Any, data: Path, kind: str) -> Arrays | None:
    """Return the tensors of a test by name; None where one is no tensor, or of a type NumPy has not."""
    found: Arrays = {}
    for index, port in enumerate(ports):
        if port.type.WhichOneof("value") != "tensor_type":
            return None
        message = TensorProto.FromString((data / f"{kind}_{index}.pb").read_bytes())
        array = numpy_helper.to_array(message)
        if array.dtype.kind not in "biufOUS":
            return None
        if array.dtype.kind in "OSU":
            texts = [
                text.decode() if isinstance(text, bytes) else str(text) for text in array.ravel().tolist()
            ]
            array = np.array(texts, object).reshape(array.shape)
        found[port.name] = array
    return found


def _row(array: np.ndarray) -> np.ndarray:
    """Return an array of one case; texts as NumPy stores them without pickling."""
    return (array.astype(str) if array.dtype == object else array)[None]


def _equal(mine: Arrays, theirs: Arrays | None) -> bool:
    return theirs is not None and all(_same_bits(mine[name], np.asarray(theirs[name])) for name in theirs)


def _same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return a.tolist() == b.tolist() if a.dtype == object else a.tobytes() == b.tobytes()


def _near(answer: Any, expected: np.ndarray) -> bool:
    array = np.asarray(answer)
    if array.shape != expected.shape or array.dtype != expected.dtype:
        return False
    if array.dtype.kind not in "fiub":
        return bool(array.tolist() == expected.tolist())
    return bool(np.allclose(array, expected, rtol=RTOL, atol=ATOL, equal_nan=True))


def _chunks(cases: Sequence[Path], size: int) -> Iterator[list[str]]:
    """Yield the cases in pieces, as text that crosses to another process."""
    for start in range(0, len(cases), size):
        yield [str(case) for case in cases[start : start + size]]
