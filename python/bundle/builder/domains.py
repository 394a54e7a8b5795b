"""Domains: which operators a model may use, by the name of the set they belong to."""

from __future__ import annotations

from functools import cache

import onnx
from onnx import FunctionProto, ModelProto, NodeProto

from bundle.builder.graph import function_keys, scope_nodes, scopes
from bundle.error import BundleError

_ONNX_DOMAINS = ("", "ai.onnx.ml")
_RUNTIME_DOMAIN = "com.microsoft"
#: Operators that ONNX Runtime writes for the CPU it runs on: no other host can be trusted to run them.
_HOST_DOMAINS = ("com.microsoft.nchwc", "com.ms.internal.nhwc")


def refuse_unknown_operators(model: ModelProto) -> None:
    """Check every node of every graph and local function; imports must be merged before.

    Errors: ``domain_unknown``, ``operator_unknown``, ``host_specific_model``.
    """
    functions = function_keys(model)
    own = {domain for domain, _ in functions}
    for scope in scopes(model):
        versions = {each.domain: each.version for each in scope.opset_import}
        where = f" in function `{scope.name}`" if isinstance(scope, FunctionProto) else ""
        for node in scope_nodes(scope):
            if (node.domain, node.op_type) in functions:
                continue
            _refuse_domain(node, own, where)
            if not _is_known(node, versions):
                domain = node.domain or "ai.onnx"
                version = f" {versions[node.domain]}" if node.domain in versions else ""
                expected = f"an operator of {domain}{version}"
                raise BundleError("operator_unknown", node.op_type, expected, f"`{node.op_type}`{where}")


def _refuse_domain(node: NodeProto, own: set[str], where: str) -> None:
    found = f"`{node.op_type}`{where}"
    if node.domain in _HOST_DOMAINS:
        hint = "build from the model as it was exported, not from a file that ONNX Runtime optimized"
        raise BundleError("host_specific_model", node.domain, "operators that every CPU has", found, hint)
    if node.domain not in (*_ONNX_DOMAINS, _RUNTIME_DOMAIN) and node.domain not in own:
        expected = "operators of ai.onnx, ai.onnx.ml, com.microsoft or the model's own functions"
        hint = "export the model without custom operators"
        raise BundleError("domain_unknown", node.domain, expected, found, hint)


def _is_known(node: NodeProto, versions: dict[str, int]) -> bool:
    if node.domain == _RUNTIME_DOMAIN:
        return node.op_type in _runtime_operators()
    if node.domain not in versions:
        # The checker names a missing import; what is wrong there is not the operator.
        return True
    return bool(onnx.defs.has(node.op_type, versions[node.domain], node.domain))


@cache
def _runtime_operators() -> frozenset[str]:
    """Return the names of ONNX Runtime's own operators, from the library that will run them."""
    from onnxruntime.capi import onnxruntime_pybind11_state as library

    schemas = library.get_all_operator_schema()
    return frozenset(schema.name for schema in schemas if schema.domain == _RUNTIME_DOMAIN)
