"""Predict from a bundle."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from bundle.error import BundleError
from bundle.fit import choose
from bundle.flight import Gate
from bundle.inputs import Array, InputSet, ready
from bundle.library import load
from bundle.options import resolve_options, settings
from bundle.outputs import OutputSet, unsuitable
from bundle.session import CPU, load_session, sentence
from bundle.signature import check_signature

if TYPE_CHECKING:
    from bundle.batch import Progress
    from bundle.bound import BoundCall
    from bundle.bundle import Bundle
    from bundle.manifest import Input, Manifest, Output
    from bundle.selftest import SelfTest


class Predictor:
    """A model of a bundle, ready to answer. Safe for concurrent calls; a context manager.

    Attributes:
        bundle: the bundle it came from.
        variant: the name of the variant that runs.
        format: of the file that runs, ``onnx`` or ``ort``.
        reason: why this file.
        inputs: the manifest's inputs, in order: name, dtype, shape, whether they must be finite.
        outputs: the manifest's outputs, in order.
        providers: the execution providers that run, preferred first.
        provider_reasons: why each wanted provider that does not run was left out.
        options: every session setting in effect, by its name in spec/session.json.
    """

    def __init__(
        self, bundle: Bundle, variant: str | None = None, options: Mapping[str, Any] | None = None
    ) -> None:
        """Load a variant of a bundle that is open: checks P1 to P6; options as for `open`."""
        manifest = bundle.manifest
        given = dict(options or {}) if variant is None else {**(options or {}), "variant": variant}
        chosen = resolve_options(given, manifest)
        self._variant = manifest.variant(chosen.variant)
        needed = (manifest.runtime["minimum"], self._variant.minimum_runtime)
        api = manifest.runtime.get("api_minimum", 0)
        library = load(allow_telemetry=chosen.allow_telemetry, minimum=needed, api=api)
        values = settings(chosen, manifest, self._variant)
        wanted = chosen.format or ("ort" if chosen.session.get("mapped") else None)
        foreign = chosen.allow_foreign_target
        file = choose(manifest, self._variant, library.__version__, wanted, foreign=foreign)
        # Only an .ort file can be mapped; for .onnx the setting would change last bits for nothing.
        values["mapped"] = values["mapped"] and file.format == "ort"
        providers = chosen.providers or ((CPU, {}),)
        path = bundle.file_path(file.path)
        loaded = load_session(path, file.path, values, chosen.config, providers, chosen.provider_policy)
        if bundle.mode == "full":
            check_signature(loaded.session, manifest, file.path)
        self.bundle = bundle
        self.variant = self._variant.name
        self.format = file.format
        self.reason = file.reason
        self.inputs: tuple[Input, ...] = manifest.inputs
        self.outputs: tuple[Output, ...] = manifest.outputs
        self.providers = loaded.providers
        self.provider_reasons = MappingProxyType(dict(loaded.reasons))
        self.options = MappingProxyType(values)
        self._choices = chosen
        self._session = loaded.session
        self._inputs = InputSet(manifest.inputs, chosen.finite, cast=chosen.cast)
        self._outputs = OutputSet(manifest.outputs)
        self._names = self._outputs.names
        self._gate = Gate()

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        variant: str | None = None,
        *,
        runtime: str = "python",
        store: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> Predictor:
        """Open a bundle and load one of its variants.

        Args:
            path: the bundle's folder, or ``NAME@VERSION``, ``NAME@TAG`` or ``NAME@latest`` of the store; a
                path that exists always wins.
            variant: which variant; None for the manifest's default.
            runtime: the predictor that runs the model in this process: ``python``, ``rust``, ``go`` or
                ``cpp``; all give the same bytes, the natives have to be built.
            store: the store's folder; None for ``EDGEBUNDLE_STORE``, else ``~/.local/share/edgebundle``.
            options: ``digest`` (the identity to expect), ``mode`` (``full`` or ``quick``), ``format``,
                ``providers``, ``provider_policy``, ``finite``, ``cast``, the names of spec/session.json
                and the others of FORMAT.md section 5.

        Raises:
            BundleError: ``runtime_missing``; codes of the stages manifest, open and library;
                ``bundle_unknown``, ``store_damaged`` and ``store_unreadable`` for what is no path. Nothing
                stays open.
        """
        with _part_of_python():
            from bundle.bundle import Bundle

        if isinstance(path, str) and "@" in path:
            # Only here, so that a plain path costs nothing.
            from bundle.store.reference import locate

            located = locate(path, store)
            path = located.path
            if located.digest is not None:
                options.setdefault("digest", located.digest)
        if runtime != "python":
            with _part_of_python():
                from bundle.runtimes import open_native

            return open_native(runtime, path, variant, options)
        opening = {name: options.pop(name) for name in ("digest", "mode") if name in options}
        try:
            return cls(Bundle.open(path, **opening), variant, options)
        except MemoryError as error:
            raise BundleError("internal_error", ".", "memory", "none left while opening") from error

    @property
    def manifest(self) -> Manifest:
        """The manifest of the bundle."""
        return self.bundle.manifest

    def predict(self, inputs: Mapping[str, Array] | Array) -> dict[str, Array]:
        """Run the model once.

        `inputs` must hold exactly the manifest's input names, or be one array where the model has one
        input; each array's dtype equals the manifest's and its shape matches it, where a named axis may
        have any size of at least 1, the same everywhere in the call. Arrays that are not C-contiguous or
        do not start at a multiple of 16 bytes are copied. Returns every output by name, in C order,
        owned by the caller. Safe for concurrent calls.

        Raises:
            BundleError: ``predictor_closed``, ``process_forked``, ``input_unknown``, ``input_missing``,
                ``input_dtype_mismatch``, ``input_rank_mismatch``, ``input_shape_mismatch``,
                ``input_empty``, ``input_symbol_conflict``, ``input_value``, ``input_not_finite``,
                ``runtime_failure`` or ``output_mismatch``. The predictor is unchanged and can be used again.
        """
        gate = self._gate
        gate.enter()
        try:
            feed = self._inputs.feed(inputs)
            try:
                values = self._session.run(self._names, feed)
            except Exception as error:
                raise failed(error) from error
            return self._outputs.check(values)
        finally:
            self._gate.leave()

    def predict_into(self, inputs: Mapping[str, Array] | Array, outputs: Mapping[str, Array]) -> None:
        """Run the model once and write outputs into the caller's buffers.

        Args:
            inputs: as for `predict`.
            outputs: writable C-contiguous arrays of the right dtype and shape, for some or all outputs;
                at any address, not overlapping each other.

        Raises:
            BundleError: those of `predict`, ``output_unknown`` and ``buffer_unsuitable``. The buffers are
                untouched after an error.
        """
        self._gate.enter()
        try:
            arrays, symbols = self._inputs.check(inputs)
            self._outputs.check_names(outputs)
            chosen = self._outputs.buffers(outputs, symbols, alignment=False)
            # A call without buffers runs all the same.
            plans = [plan for plan, _ in chosen] or self._outputs.plans
            values = self._run(ready(arrays), [plan.name for plan in plans])
            results = self._outputs.check(values, plans)
            for plan, buffer in chosen:
                if buffer.shape != results[plan.name].shape:
                    raise unsuitable(plan, f"shape {list(buffer.shape)}, where the model gives another")
            for plan, buffer in chosen:
                buffer[...] = results[plan.name]
        finally:
            self._gate.leave()

    def bind(self, inputs: Mapping[str, Array] | Array, outputs: Mapping[str, Array]) -> BoundCall:
        """Return a call over borrowed buffers, for a loop that must not allocate.

        Types and shapes are checked now, values at each `run`. Buffers must be C-contiguous and start at
        a multiple of 16 bytes; outputs must be writable and overlap nothing else. One thread at a time.

        Raises:
            BundleError: those of `predict_into`.
        """
        with _part_of_python():
            from bundle.bound import BoundCall

        return BoundCall(self, inputs, outputs)

    def predict_batch(
        self,
        inputs: Mapping[str, Array] | Array,
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Array]:
        """Run the model over pieces of the inputs and join the outputs.

        Args:
            inputs: as for `predict`; the batch axis is where the manifest's batch symbol stands.
            batch_size: rows in a piece; may be None where rows do not depend on their batch-mates.
            progress: called with (rows done, rows in all) after each piece; returning False cancels.

        Raises:
            BundleError: those of `predict`, ``batch_unsupported``, ``batch_size_required``,
                ``batch_size_invalid`` and ``predict_cancelled``.
        """
        with _part_of_python():
            from bundle.batch import predict_batch

        return predict_batch(self, inputs, batch_size, progress)

    def self_test(self) -> SelfTest:
        """Predict every golden case and compare with what this variant answered when it was built.

        Raises:
            BundleError: ``golden_missing``, ``golden_malformed`` and those of `predict`.
        """
        with _part_of_python():
            from bundle.selftest import self_test

        return self_test(self)

    def close(self) -> None:
        """Wait for the calls in flight and let the model go. May be called twice, not from `progress`."""
        # In a forked process the model's own threads do not exist; letting it go would wait for them.
        if self._gate.close():
            self._session = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> Any:
        """Refuse to cross to another process: a session is memory of this one."""
        raise TypeError("a predictor cannot be pickled; open it in the other process")

    def __repr__(self) -> str:
        state = "closed" if self._gate.closed else f"{self.variant}.{self.format}"
        return f"<Predictor {self.manifest.name} {self.manifest.version} ({state})>"

    def _run(self, feed: dict[str, Array], names: list[str]) -> list[Any]:
        """Run the model (C11) on arrays that are ready, for these outputs."""
        try:
            return self._session.run(names, feed)  # type: ignore[no-any-return]
        except Exception as error:
            raise failed(error) from error

    def _whole_batch_inputs(self, multiple: int | None) -> InputSet:
        """Return the checks for a whole batch, where axis 0 may be a multiple of the model's fixed size."""
        if multiple is None:
            return self._inputs
        return InputSet(self.inputs, self._choices.finite, cast=self._choices.cast, multiple=multiple)


def failed(error: Exception) -> BundleError:
    """Return the refusal for an error of ONNX Runtime while the model ran."""
    return BundleError("runtime_failure", ".", "a run without an error", sentence(error))


@contextmanager
def _part_of_python() -> Iterator[None]:
    """Tell a module that cannot be read, for want of file descriptors or memory, with a code."""
    try:
        yield
    except (OSError, MemoryError) as error:
        expected = "a process that can still read modules of Python"
        raise BundleError("runtime_failure", ".", expected, str(error) or "no memory") from error
