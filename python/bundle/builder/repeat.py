"""Repeat: a model that answers the same question twice alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bundle.builder.advice import Advice, random_nodes
from bundle.builder.golden import Case, run_case
from bundle.builder.graph import load_graph
from bundle.builder.model import Model
from bundle.builder.signature import open_session
from bundle.error import BundleError

#: Cases tried: a model that draws numbers shows it in the first, large golden sets cost time.
_CASES = 8
#: A Dropout with a seed answers the first two calls of a session alike, and the third one otherwise.
_ROUNDS = 3


def check_repeats(model: Model, cases: Sequence[Case], allow_random: bool = False) -> list[Advice]:
    """Run cases in two sessions, in the second, fresh one several times, and compare every byte.

    A session of its own is not enough: a random operator with a seed starts each session alike and
    goes on differently.

    Errors: ``model_random``, unless ``allow_random``, which turns it into advice.
    """
    tried = list(cases[:_CASES])
    first = open_session(model)
    reference = [run_case(first, case) for case in tried]
    second = open_session(model, fresh=True)
    for _ in range(_ROUNDS):
        for case, expected in zip(tried, reference, strict=True):
            actual = run_case(second, case)
            for name in expected:
                if not same_bytes(actual[name], expected[name]):
                    return _random(model, name, allow_random)
    return []


def same_bytes(a: np.ndarray, b: np.ndarray) -> bool:
    """Tell whether two arrays have the same type, shape and bits; for strings, the same texts."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return a.tolist() == b.tolist() if a.dtype == object else a.tobytes() == b.tobytes()


def _random(model: Model, output: str, allowed: bool) -> list[Advice]:
    nodes = random_nodes(load_graph(model.path)) if model.format == "onnx" else []
    names = [f"{node.op_type} `{node.name or node.output[0]}`" for node in nodes]
    cause = f"random operators: {', '.join(names)}" if names else "no random operator is known in it"
    if allowed:
        return [Advice("model_random", output, f"`{output}` differs from call to call; {cause}")]
    hint = "export the model in evaluation mode, or accept it with --allow-random"
    found = f"two calls that differ; {cause}"
    raise BundleError("model_random", output, "the same bytes from every call", found, hint)
