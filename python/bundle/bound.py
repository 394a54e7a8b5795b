"""Repeated calls over the same buffers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from bundle.align import is_aligned
from bundle.error import BundleError
from bundle.inputs import Array
from bundle.outputs import OutputPlan, unsuitable

if TYPE_CHECKING:
    from bundle.predictor import Predictor


class BoundCall:
    """A call whose buffers are borrowed until it is dropped. One thread at a time.

    Change the input buffers in place, `run`, read the output buffers.
    """

    def __init__(
        self, predictor: Predictor, inputs: Mapping[str, Array] | Array, outputs: Mapping[str, Array]
    ) -> None:
        """Check and bind; made by `Predictor.bind`."""
        self._predictor = predictor
        self._gate = predictor._gate
        self._gate.enter()
        try:
            self._inputs, symbols = predictor._inputs.check(inputs)
            self._given = self._borrowed(inputs)
            predictor._outputs.check_names(outputs)
            self._refuse_copies()
            chosen = predictor._outputs.buffers(outputs, symbols, alignment=True)
            self._refuse_overlaps(chosen)
            self._session = predictor._session
            self._bind(chosen, symbols)
        finally:
            self._gate.leave()

    def run(self) -> None:
        """Run the model once over the buffers.

        Raises:
            BundleError: ``predictor_closed``, ``process_forked``, ``input_value``, ``input_not_finite``,
                ``runtime_failure``, ``output_mismatch`` or ``buffer_unsuitable``. The output buffers then
                hold nothing of use.
        """
        self._gate.enter()
        try:
            texts = self._predictor._inputs.check_values(self._given)
            if texts:
                self._run_on_text(texts)
            else:
                self._run_in_place()
        finally:
            self._gate.leave()

    def _run_in_place(self) -> None:
        for name in self._unplaced:
            # Or ONNX Runtime would write into the memory that it made for the run before.
            self._binding.bind_output(name, "cpu")
        try:
            self._session.run_with_iobinding(self._binding)
        except Exception as error:
            raise self._diagnosis(error) from error
        if self._copied:
            values = self._binding.get_outputs()
            self._copy([(plan, buffer, values[index].numpy()) for index, plan, buffer in self._copied])

    def _run_on_text(self, texts: Mapping[str, Array]) -> None:
        """Run with string inputs, which ONNX Runtime cannot bind in Python."""
        predictor = self._predictor
        names = [plan.name for plan, _ in self._chosen] or predictor._outputs.names
        values = predictor._run({**self._inputs, **texts}, names)
        self._copy([(*pair, value) for pair, value in zip(self._chosen, values, strict=False)])

    def _borrowed(self, inputs: Mapping[str, Array] | Array) -> dict[str, Array]:
        """Return the caller's own arrays: strings are converted at every run, the others never."""
        given = inputs if isinstance(inputs, Mapping) else dict.fromkeys(self._inputs, inputs)
        return {name: given[name] for name in self._inputs}

    def _refuse_copies(self) -> None:
        """Refuse inputs that would have to be copied."""
        for name, array in self._inputs.items():
            if array.dtype.hasobject:
                continue
            if array.size and not np.may_share_memory(self._given[name], array):
                found = "one that has to be converted"
            elif not array.flags.c_contiguous:
                found = "one that is not C-contiguous"
            elif not is_aligned(array):
                found = "an address that is no multiple of 16"
            else:
                continue
            raise BundleError("buffer_unsuitable", name, "an aligned C-contiguous array to borrow", found)

    def _refuse_overlaps(self, chosen: list[tuple[OutputPlan, Array]]) -> None:
        """Refuse outputs that would overwrite an input."""
        for plan, buffer in chosen:
            if any(np.may_share_memory(buffer, array) for array in self._inputs.values()):
                raise unsuitable(plan, "memory that it shares with an input")

    def _bind(self, chosen: list[tuple[OutputPlan, Array]], symbols: Mapping[str, int]) -> None:
        binding = self._session.io_binding()
        for name, array in self._inputs.items():
            if not array.dtype.hasobject:
                binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        self._chosen = chosen
        # ONNX Runtime writes in place what has a size that is known before it runs; outputs whose size
        # depends on the data come in its own memory and are copied.
        self._copied: list[tuple[int, OutputPlan, Array]] = []
        for index, (plan, buffer) in enumerate(chosen):
            if None in plan.sizes(symbols):
                # Already here, since outputs come back in the order in which they were bound first.
                binding.bind_output(plan.name, "cpu")
                self._copied.append((index, plan, buffer))
            else:
                binding.bind_output(plan.name, "cpu", 0, buffer.dtype.type, buffer.shape, buffer.ctypes.data)
        self._unplaced = [plan.name for _, plan, _ in self._copied]
        if not chosen:
            self._unplaced = self._predictor._outputs.names
        self._binding = binding

    def _copy(self, results: list[tuple[OutputPlan, Array, Array]]) -> None:
        """Copy (plan, buffer, value) into the buffers once all values are known to fit."""
        plans = [plan for plan, _, _ in results]
        arrays = self._predictor._outputs.check([value for _, _, value in results], plans)
        for plan, buffer, _ in results:
            if buffer.shape != arrays[plan.name].shape:
                raise unsuitable(plan, f"shape {list(buffer.shape)}, where the model gives another")
        for plan, buffer, _ in results:
            buffer[...] = arrays[plan.name]

    def _diagnosis(self, error: Exception) -> BundleError:
        """Return why a bound run failed: the same inputs without the buffers tell it.

        ONNX Runtime reports a buffer of another shape than the model's in words only.
        """
        from bundle.predictor import failed

        outputs = self._predictor._outputs
        plans = [plan for plan, _ in self._chosen] or outputs.plans
        try:
            outputs.check(self._predictor._run(self._inputs, [plan.name for plan in plans]), plans)
        except BundleError as reason:
            return reason
        return failed(error)
