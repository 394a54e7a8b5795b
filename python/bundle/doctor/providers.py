"""Check which execution providers there are, which start, and why the others are not there."""

from __future__ import annotations

import platform
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from bundle import library
from bundle.doctor.finding import Finding
from bundle.doctor.installation import loads
from bundle.error import BundleError
from bundle.spec import table

# x [1] of float32 -> Identity -> y, IR 8, opset 13: what any provider must be able to start with.
_PROBE = bytes.fromhex(
    "08083a370a100a01781201792208"
    "4964656e74697479"
    "1201675a0f0a0178120a0a08080112040a020801620f0a0179120a0a08080112040a020801"
    "42040a00100d"
)

# Neither is started as a trial: one is always there, the other asks a service on the network.
_NOT_PROBED = ("AzureExecutionProvider", "CPUExecutionProvider")

# What people call a system that ``platform`` names otherwise.
_SYSTEMS = {"Darwin": "macOS"}


class Home(NamedTuple):
    """Where a provider that is not here can be had.

    Attributes:
        where: a clause about it.
        advice: what to do.
        systems: where it runs; empty for everywhere.
    """

    where: str
    advice: str
    systems: tuple[str, ...] = ()


def _package(name: str, *systems: str) -> Home:
    # Both packages hold the module `onnxruntime`, and the one installed last overwrites the other.
    advice = f"pip uninstall onnxruntime, then pip install {name}"
    return Home(f"the package {name} has it", advice, systems)


def _plugin(name: str) -> Home:
    return Home(f"the plugin {name} has it, and predictors load no plugins", "use another provider")


def _flag(name: str) -> Home:
    return Home("no Python package has it", f"build ONNX Runtime from source with {name}")


#: By provider; those that ONNX Runtime itself no longer knows are told apart by what it says.
HOMES = {
    "ACLExecutionProvider": _flag("--use_acl"),
    "ArmNNExecutionProvider": _flag("--use_armnn"),
    "AzureExecutionProvider": _package("onnxruntime"),
    "CANNExecutionProvider": _package("onnxruntime-cann", "Linux"),
    "CPUExecutionProvider": _package("onnxruntime"),
    "CUDAExecutionProvider": _package("onnxruntime-gpu", "Linux", "Windows"),
    "CoreMLExecutionProvider": _package("onnxruntime", "macOS"),
    "DmlExecutionProvider": _package("onnxruntime-directml", "Windows"),
    "DnnlExecutionProvider": _flag("--use_dnnl"),
    "MIGraphXExecutionProvider": _package("onnxruntime-migraphx", "Linux"),
    "NnapiExecutionProvider": _package("onnxruntime-android", "Android"),
    "NvTensorRTRTXExecutionProvider": _plugin("onnxruntime-ep-nv-tensorrt-rtx"),
    "OpenVINOExecutionProvider": _package("onnxruntime-openvino", "Linux", "Windows"),
    "QNNExecutionProvider": _package("onnxruntime-qnn", "Linux", "Windows"),
    "ROCMExecutionProvider": _package("onnxruntime-rocm", "Linux"),
    "RknpuExecutionProvider": _flag("--use_rknpu"),
    "TensorrtExecutionProvider": _package("onnxruntime-gpu", "Linux", "Windows"),
    "VitisAIExecutionProvider": Home("AMD's Ryzen AI software has it", "install that software"),
    "WebGpuExecutionProvider": _plugin("onnxruntime-ep-webgpu"),
    "XnnpackExecutionProvider": _flag("--use_xnnpack"),
}


def providers() -> list[Finding]:
    """Tell of each provider that spec/session.json names whether it is here and starts, or why it is not."""
    try:
        module = library.load(allow_telemetry=True) if loads("numpy") else None
    except BundleError:
        module = None
    if module is None:
        return [Finding("providers", "unknown", "which there are cannot be known without ONNX Runtime")]
    available = set(library.available_providers())
    names = sorted(table("session")["providers"], key=lambda name: (name not in available, name))
    return [_present(name) if name in available else _absent(name, module) for name in names]


def _present(name: str) -> Finding:
    check = f"provider {name}"
    if name in _NOT_PROBED:
        return Finding(check, "ok", "in this ONNX Runtime")
    reason = _failure(name)
    if not reason:
        return Finding(check, "ok", "in this ONNX Runtime, and it starts")
    sentence = f"in this ONNX Runtime, but it does not start: {reason}"
    return Finding(
        check, "warning", sentence, "install its driver and libraries, or ask for another provider"
    )


def _failure(name: str) -> str:
    """Start a small model with one provider; return why it does not start, or nothing."""
    from bundle.session import load_session

    settings = {key: row["default"] for key, row in table("session")["options"].items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.onnx"
        path.write_bytes(_PROBE)
        try:
            load_session(path, path.name, settings, {}, [(name, {})], "strict")
        except BundleError as error:
            return error.found
    return ""


def _absent(name: str, module: Any) -> Finding:
    check, home = f"provider {name}", HOMES[name]
    if name not in module.get_all_providers():
        sentence = f"ONNX Runtime {module.__version__} knows no such provider"
        return Finding(check, "absent", sentence, "use another provider")
    system = _SYSTEMS.get(platform.system(), platform.system())
    if home.systems and system not in home.systems:
        return Finding(check, "absent", f"it runs on {' and '.join(home.systems)}, and this is {system}")
    return Finding(
        check, "absent", f"this build of ONNX Runtime was made without it; {home.where}", home.advice
    )
