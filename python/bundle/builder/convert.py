"""Convert: freeze an optimized model in ONNX Runtime's own format for one architecture."""

from __future__ import annotations

from pathlib import Path

from bundle.builder import ortfile
from bundle.builder.ingest import INLINE_LIMIT
from bundle.builder.model import Model, StageSkipped
from bundle.builder.worker import Worker, WorkerError
from bundle.host_specific import host_specific
from bundle.session import bare_options
from bundle.spec import table

# What may be fused depends on the kernels of the target: those of ARM take int8 activations.
_INT8_ALLOWED = {"arm64": "1", "x86_64": "0"}


def convert(model: Model, work: Path, arch: str, worker: Worker) -> Model:
    """Write ``model`` as ``work/MODEL-ARCH.ort``, optimized for ``arch``; equal models give equal bytes.

    Raises:
        StageSkipped: ``not_applicable`` for a target without frozen files and for weights that are too
            large, ``tool_failed``, ``signature_changed`` where folded weights became inputs,
            ``host_specific`` where the result suits this CPU only.
    """
    if "ort" not in table("targets")["targets"][arch]["formats"]:
        raise StageSkipped("not_applicable", f"a file for `{arch}` is optimized where it is opened")
    if model.size >= INLINE_LIMIT:
        # Like a protobuf message this format ends at 2 GiB, and finding that out takes twice the memory.
        raise StageSkipped("not_applicable", "the weights are too large for one file")
    target = work / f"{model.path.stem}-{arch}.ort"
    try:
        before, after = worker.call(freeze, model.path, target, _INT8_ALLOWED[arch])
    except WorkerError as error:
        raise StageSkipped("tool_failed", f"ONNX Runtime cannot convert the model: {error.detail}") from error
    if before != after:
        detail = f"{len(after)} inputs instead of {len(before)}, among them folded weights"
        raise StageSkipped("signature_changed", detail)
    if host_specific([target.read_bytes()], "ort"):
        raise StageSkipped("host_specific", "the file holds operators in the layout of this CPU")
    return Model(target, "ort")


def freeze(source: Path, target: Path, int8_allowed: str) -> tuple[list[str], list[str]]:
    """Convert in this process, which is the worker; return the required inputs before and after."""
    import onnxruntime

    options = bare_options()
    options.optimized_model_filepath = str(target)
    options.add_session_config_entry("session.save_model_format", "ORT")
    options.add_session_config_entry("session.qdqisint8allowed", int8_allowed)
    # Its blocks have the width of this CPU's vectors; on a narrower CPU the file answers wrongly.
    opened = onnxruntime.InferenceSession(
        str(source),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=["NchwcTransformer"],
    )
    data = ortfile.with_sorted_resolver(target.read_bytes())
    target.write_bytes(data)
    return [port.name for port in opened.get_inputs()], ortfile.required_inputs(data)
