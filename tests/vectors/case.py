"""Cases, the decorators that register them, and the steps they are made of."""

import copy
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.vectors.kit import Bundle
from tests.vectors.tensor import Tensors, tensors

Step = dict
HANDLE = "h"


@dataclass
class Case:
    """One folder of `spec/cases`."""

    steps: list[Step]
    bundle: Bundle | str | None = None
    manifest: bytes | None = None
    prepare: list[dict] = field(default_factory=list)
    group: str = ""
    name: str = ""
    checks: tuple[str, ...] = ()
    comment: str = ""

    def document(self) -> dict:
        """The tree of case.json."""
        tree: dict = {"comment": self.comment, "checks": list(self.checks)}
        if isinstance(self.bundle, Bundle):
            tree["bundle"] = "bundle"
        elif self.bundle:
            tree["bundle"] = f"../../valid/{self.bundle}/bundle"
        if self.prepare:
            tree["prepare"] = self.prepare
        return tree | {"steps": self.steps}

    def files(self) -> dict[str, bytes]:
        """Every file of the case, by its path in `spec/cases`."""
        folder = f"{self.group}/{self.name}"
        text = json.dumps(self.document(), ensure_ascii=False, indent=1)
        made = {f"{folder}/case.json": text.encode() + b"\n"}
        if self.manifest is not None:
            made[f"{folder}/manifest.json"] = self.manifest
        if isinstance(self.bundle, Bundle):
            made |= {f"{folder}/bundle/{path}": data for path, data in self.bundle.on_disk().items()}
        return made


REGISTRY: dict[str, Callable[[], Case]] = {}


def _register(group: str, checks: tuple[str, ...], function: Callable, make: Callable[[], Case]) -> None:
    name = function.__name__
    if name in REGISTRY:
        raise ValueError(f"two vectors are called {name}")
    comment = " ".join(inspect.getdoc(function).split())

    def complete() -> Case:
        case = make()
        case.group, case.name, case.checks, case.comment = group, name, checks, comment
        return case

    REGISTRY[name] = complete


def valid(*checks: str) -> Callable:
    """Register a function that returns a whole case whose last step succeeds."""

    def decorate(function: Callable[[], Case]) -> Callable[[], Case]:
        _register("valid", checks, function, function)
        return function

    return decorate


def invalid(*checks: str) -> Callable:
    """Register a function that returns a whole case whose last step fails."""

    def decorate(function: Callable[[], Case]) -> Callable[[], Case]:
        _register("invalid", checks, function, function)
        return function

    return decorate


def fail(code: str, subject: str) -> dict:
    """The expectation of a refusal."""
    return {"ok": False, "error": {"code": code, "subject": subject}}


def open_(options: dict | None = None, expect: dict | None = None, bundle: str = "$BUNDLE") -> Step:
    """A request to open."""
    step: Step = {"op": "open", "handle": HANDLE, "bundle": bundle}
    if options:
        step["options"] = options
    return step | {"expect": {"ok": True} if expect is None else {"ok": True, **expect}}


def call(op: str, expect: dict | None = None, **request: object) -> Step:
    """Any request on the open handle."""
    return {"op": op, "handle": HANDLE, **request, "expect": {"ok": True} if expect is None else expect}


def predict(bundle: Bundle, inputs: Tensors, op: str = "predict", offset: int = 0, **request: object) -> Step:
    """A request with the outputs that the reference computes."""
    expect = {"ok": True, "outputs": tensors(bundle.compute(inputs))}
    more = {"offset": offset} if offset else {}
    return call(op, expect, inputs=tensors(inputs, **more), **request)


def self_test(**expect: object) -> Step:
    """A self-test that runs; it passes if nothing else is expected."""
    return call("self_test", {"ok": True, "passed": True, **expect})


def manifest_fault(checks: str, code: str, subject: str, base: Callable[[], Bundle]) -> Callable:
    """Register a change of a good manifest's tree; the function may return bytes instead.

    Args:
        checks: numbers with blanks between them.
        code: the code expected.
        subject: its JSON Pointer.
        base: makes the good bundle.
    """

    def decorate(function: Callable[[dict], bytes | None]) -> Callable:
        def make() -> Case:
            bundle = base()
            written = function(bundle.tree)
            data = bundle.manifest() if written is None else written
            return Case(
                [{"op": "parse", "manifest": "$MANIFEST", "expect": fail(code, subject)}], manifest=data
            )

        _register("invalid", tuple(checks.split()), function, make)
        return function

    return decorate


def bundle_fault(
    checks: str, code: str, subject: str, base: Callable[[], Bundle], options: dict | None = None
) -> Callable:
    """Register a change of a good bundle that opening refuses; the function may return `prepare`."""

    def decorate(function: Callable[[Bundle], list[dict] | None]) -> Callable:
        def make() -> Case:
            bundle = base()
            prepare = function(bundle) or []
            step = open_(options) | {"expect": fail(code, subject)}
            return Case([step], bundle=bundle, prepare=prepare)

        _register("invalid", tuple(checks.split()), function, make)
        return function

    return decorate


def option_fault(checks: str, code: str, subject: str, of: str) -> Callable:
    """Register options that opening the good bundle of a valid case refuses."""

    def decorate(function: Callable[[], dict]) -> Callable:
        def make() -> Case:
            return Case([open_(function()) | {"expect": fail(code, subject)}], bundle=of)

        _register("invalid", tuple(checks.split()), function, make)
        return function

    return decorate


def call_fault(
    checks: str, code: str, subject: str, of: tuple[str, Tensors], options: dict | None = None
) -> Callable:
    """Register a wrong call on the good bundle of a valid case.

    The function gets a good `predict` request, with tensors as requests spell them, and changes it.
    """

    def decorate(function: Callable[[Step], None]) -> Callable:
        def make() -> Case:
            name, inputs = of
            request = call("predict", inputs=copy.deepcopy(tensors(inputs)))
            function(request)
            request["expect"] = fail(code, subject)
            return Case([open_(options), request], bundle=name)

        _register("invalid", tuple(checks.split()), function, make)
        return function

    return decorate


def golden_fault(base: Callable[[], Bundle], path: str) -> Callable:
    """Register a change of a golden file, sealed again; the self-test refuses it."""

    def decorate(function: Callable[[Bundle], bytes]) -> Callable:
        def make() -> Case:
            bundle = base()
            bundle.files[path] = function(bundle)
            bundle.seal()
            step = call("self_test", fail("golden_malformed", path))
            return Case([open_(), step], bundle=bundle)

        _register("invalid", ("section 7",), function, make)
        return function

    return decorate
