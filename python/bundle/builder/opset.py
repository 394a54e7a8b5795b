"""Versions: one import per operator set, and numbers that the pinned runtime accepts."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import FunctionProto, ModelProto, version_converter

from bundle.builder.advice import Advice
from bundle.builder.external import bring_data, onnx_model
from bundle.builder.graph import load_graph, save_graph, scope_nodes, scopes, walk_nodes
from bundle.builder.model import Model, StageSkipped
from bundle.error import BundleError

#: The newest operator sets that the pinned ONNX Runtime opens; a test asks the runtime itself.
NEWEST_OPSETS = {"": 26, "ai.onnx.ml": 5}
#: The oldest operator set for which ONNX Runtime promises a kernel.
OLDEST_OPSET = 7
#: The newest IR version that the pinned ONNX Runtime opens; a test asks the runtime itself.
NEWEST_IR = 13
#: From this IR version on, an initializer need not be a graph input as well.
_FREE_INITIALIZERS_IR = 4
#: What a model of other domains only is stamped with; nothing in it depends on the number.
_UNUSED_OPSET = 18


def merge_imports(model: ModelProto) -> None:
    """Leave one import per operator set, in place: the last one, which is the one ONNX Runtime follows.

    ``ai.onnx`` becomes the empty name, on nodes too; a model without the default set gets one, since
    tools fall over its absence.
    """
    for scope in scopes(model):
        versions = {_plain(each.domain): each.version for each in scope.opset_import}
        if isinstance(scope, ModelProto):
            versions.setdefault("", _UNUSED_OPSET)
        scope.ClearField("opset_import")
        for domain, version in versions.items():
            scope.opset_import.add(domain=domain, version=version)
    for node in walk_nodes(model):
        # A field set to its default is written, too: untouched nodes keep their bytes.
        if node.domain != _plain(node.domain):
            node.ClearField("domain")


def fit_versions(model: ModelProto) -> tuple[ModelProto, list[Advice]]:
    """Bring IR and operator sets down to what the runtime accepts; the given message is changed.

    Errors: ``opset_unsupported`` where an operator changed in between and cannot be brought back.
    """
    model.ir_version = min(max(model.ir_version, _FREE_INITIALIZERS_IR), NEWEST_IR)
    too_new = [(scope, each) for scope in scopes(model) for each in scope.opset_import if _is_newer(each)]
    for scope, each in too_new:
        newest = NEWEST_OPSETS[each.domain]
        if _same_operators(scope, each.domain, each.version, newest):
            each.version = newest
    left = [each for _, each in too_new if _is_newer(each)]
    if not left:
        return model, []
    first = left[0]
    before = f"{first.domain or 'ai.onnx'} {first.version}"
    if first.domain or len(left) > 1:
        raise _unsupported(before, first.domain)
    try:
        lowered = version_converter.convert_version(model, NEWEST_OPSETS[""])
    except Exception as error:
        raise _unsupported(before, first.domain) from error
    lowered.ir_version = min(lowered.ir_version, NEWEST_IR)
    return lowered, [Advice("opset_changed", ".", f"the runtime does not know opset {before}: lowered")]


def convert_opset(model: Model, work: Path, opset: int) -> Model:
    """Return a candidate of the same model at another version of the default operator set.

    The caller compares it with the model it came from: the converter has changed answers before.

    Errors: ``opset_unsupported`` for a version that the runtime does not open. Raises ``StageSkipped``:
    ``unchanged`` where the model has that version, ``tool_failed`` where the converter gives up.
    """
    if not OLDEST_OPSET <= opset <= NEWEST_OPSETS[""]:
        raise _unsupported(f"ai.onnx {opset}", "")
    graph = load_graph(model.path)
    current = opset_of(graph)
    if current == opset:
        raise StageSkipped("unchanged", f"the model is at opset {opset} already")
    try:
        converted = version_converter.convert_version(graph, opset)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise StageSkipped("tool_failed", f"the version converter failed: {reason}") from error
    converted.ir_version = min(max(converted.ir_version, _FREE_INITIALIZERS_IR), NEWEST_IR)
    path = work / f"opset{opset}.onnx"
    bring_data(converted, model.path.parent, work)
    save_graph(converted, path)
    return onnx_model(path)


def opset_of(model: ModelProto) -> int:
    """Return the version of the default operator set that a checked model imports."""
    return int(next(each.version for each in model.opset_import if not each.domain))


def _plain(domain: str) -> str:
    return "" if domain == "ai.onnx" else domain


def _is_newer(each: onnx.OperatorSetIdProto) -> bool:
    return each.version > NEWEST_OPSETS.get(each.domain, each.version)


def _same_operators(scope: ModelProto | FunctionProto, domain: str, version: int, newest: int) -> bool:
    """Tell whether no operator in use changed after ``newest``, so that only the number differs."""
    names = {node.op_type for node in scope_nodes(scope) if node.domain == domain}
    if (domain or "ai.onnx", version) not in onnx.helper.OP_SET_ID_VERSION_MAP:
        return False  # newer than the installed onnx, which cannot tell
    return all(
        onnx.defs.has(name, version, domain)
        and onnx.defs.get_schema(name, version, domain).since_version <= newest
        for name in names
    )


def _unsupported(found: str, domain: str) -> BundleError:
    oldest = OLDEST_OPSET if not domain else 1
    expected = f"{domain or 'ai.onnx'} from {oldest} to {NEWEST_OPSETS[domain]}"
    hint = "export the model again with an older opset"
    return BundleError("opset_unsupported", domain or "ai.onnx", expected, found, hint)
