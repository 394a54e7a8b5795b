"""The inputs that both models are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bundle.compare.side import Side

if TYPE_CHECKING:
    from bundle.parity.cases import Case


def shared_cases(first: Side, second: Side, inputs: str | None) -> tuple[str, list[Case]]:
    """Return where the cases are from, and the cases: of a file, else of the first side that has some.

    Raises:
        BundleError: ``input_file_unreadable``, ``golden_malformed``.
    """
    from bundle.manifest import Input
    from bundle.parity.cases import file_cases, golden_cases

    if inputs is not None:
        asked = [
            Input(port.name, port.dtype, tuple("" if size is None else size for size in port.shape), False)
            for port in first.inputs
        ]
        return inputs, file_cases(inputs, asked)
    for name, side in (("a", first), ("b", second)):
        if side.bundle is not None and side.bundle.manifest.golden:
            return f"golden cases of {name}", golden_cases(side.bundle, side.variant)
    return "", []
