"""Edited models, for the tests of editing."""

from collections.abc import Callable
from typing import Any

import onnx
import pytest

from bundle.builder.edit import Edited
from bundle.error import BundleError

Run = Callable[..., Edited]


def refusal(call: Callable[..., object], *arguments: Any, **wanted: Any) -> BundleError:
    with pytest.raises(BundleError) as caught:
        call(*arguments, **wanted)
    return caught.value


def shapes(done: Edited) -> dict[str, list[int | str]]:
    graph = onnx.load(done.model.path).graph
    return {
        port.name: [dim.dim_param or dim.dim_value for dim in port.type.tensor_type.shape.dim]
        for port in (*graph.input, *graph.output)
    }
