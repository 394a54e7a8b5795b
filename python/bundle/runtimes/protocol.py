"""What each native predictor offers in this process: the line between its binding and `NativePredictor`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from numpy.typing import NDArray

Array = NDArray[Any]

#: Called with (rows done, rows in all) after each piece, from the thread that predicts; False cancels. It
#: never raises.
Progress = Callable[[int, int], bool]


class NativeCall(Protocol):
    """A bound call. Keeps its arrays alive; used by one thread at a time."""

    def run(self) -> None:
        """Run the model once over the buffers; arrays of `str` are read again."""


class Native(Protocol):
    """An open predictor of another language.

    Inputs are C-contiguous arrays in native byte order, of an element type of the format, at any address;
    strings are ``object`` arrays of ``str``, in which U+0000 may stand and half a surrogate pair may not.
    Output buffers are C-contiguous and writable as numpy sees it. Names are valid UTF-8. Which names, types,
    shapes and values are right is the library's to judge, with the checks of FORMAT.md in their order, B1 to
    C12; it says so by ``BundleError`` with the code, subject and words of its own error. Whatever else goes
    wrong in it (a panic, any exception) is ``internal_error``.

    Safe for concurrent calls; the interpreter runs on while the model does. Outputs come in the manifest's
    order, owned by the caller.
    """

    def described(self) -> dict[str, Any]:
        """Return the fields of the driver's reply to ``open``, and ``provider_reasons`` where known."""

    def predict(self, inputs: dict[str, Array]) -> dict[str, Array]:
        """Run the model once."""

    def predict_into(self, inputs: dict[str, Array], outputs: dict[str, Array]) -> None:
        """Run the model once and write outputs into the caller's buffers."""

    def bind(self, inputs: dict[str, Array], outputs: dict[str, Array]) -> NativeCall:
        """Return a call over borrowed buffers."""

    def predict_batch(
        self, inputs: dict[str, Array], batch_size: int | None, progress: Progress | None
    ) -> dict[str, Array]:
        """Run the model over pieces and join the outputs; ``batch_size`` fits into 64 bits."""

    def self_test(self) -> dict[str, Any]:
        """Return the fields of the driver's reply, and ``source_worst`` of an output where known.

        ``worst`` and ``source_worst`` are text: a decimal number or ``inf``.
        """

    def close(self) -> None:
        """Wait for the calls in flight and let the model go; may be called twice."""
