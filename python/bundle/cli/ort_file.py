"""What an ``.ort`` file says about itself: through a session, and the flatbuffer classes beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bundle.cli.onnx_file import operator_name
from bundle.error import BundleError


def describe(path: Path) -> dict[str, Any]:
    """Return the same tree as ``onnx_file.describe``, and ``ort_format``: the version of the file format.

    Errors: ``model_rejected``; ``library_...``.
    """
    from bundle.dtype import BY_ORT
    from bundle.session import bare_session, sentence

    if not path.is_file():
        raise BundleError("input_file_unreadable", str(path), "a model file", "no such file")
    # First the session: it verifies the buffer, which the classes below do not.
    try:
        session = bare_session(path, level="disabled")
    except BundleError:
        raise
    except Exception as error:  # one class per status code, all of them in a private module
        found = sentence(error)
        raise BundleError("model_rejected", path.name, "a file that ONNX Runtime opens", found) from error
    root = _root(path.read_bytes())
    model = root.Model()
    kinds = list(_nodes(model.Graph()))
    nodes = Counter(operator_name(*kind) for kind in kinds)
    # ONNX Runtime writes the versions of all the domains it knows; those in use tell something.
    domains = {domain for domain, _ in kinds}

    def port(value: Any) -> dict[str, Any]:
        word = BY_ORT[value.type].word if value.type in BY_ORT else value.type
        return {"name": value.name, "dtype": word, "shape": list(value.shape)}

    imports = [model.OpsetImport(number) for number in range(model.OpsetImportLength())]
    opsets = {_text(entry.Domain()): entry.Version() for entry in imports}
    properties = [model.MetadataProps(number) for number in range(model.MetadataPropsLength())]
    return {
        "format": "ort",
        "ort_format": int(_text(root.OrtVersion()) or 0),
        "bytes": path.stat().st_size,
        "ir": model.IrVersion(),
        "opsets": {name or "ai.onnx": version for name, version in opsets.items() if name in domains},
        "producer": f"{_text(model.ProducerName())} {_text(model.ProducerVersion())}".strip(),
        "metadata": {_text(entry.Key()): _text(entry.Value()) for entry in properties},
        "inputs": [port(value) for value in session.get_inputs()],
        "outputs": [port(value) for value in session.get_outputs()],
        "nodes": nodes.total(),
        "operators": dict(sorted(nodes.items(), key=lambda item: (-item[1], item[0]))),
    }


def _root(data: bytes) -> Any:
    # The package that holds the classes puts their folder on sys.path when it is imported.
    import onnxruntime.tools.ort_format_model  # noqa: F401
    from ort_flatbuffers_py.fbs.InferenceSession import InferenceSession

    return InferenceSession.GetRootAs(data, 0)


def _nodes(graph: Any) -> Iterator[tuple[str, str]]:
    """Yield domain and kind of each node, those of subgraphs included."""
    for number in range(graph.NodesLength()):
        node = graph.Nodes(number)
        yield _text(node.Domain()), _text(node.OpType())
        for place in range(node.AttributesLength()):
            attribute = node.Attributes(place)
            inner = [attribute.G()] if attribute.G() is not None else []
            inner += [attribute.Graphs(index) for index in range(attribute.GraphsLength())]
            for subgraph in inner:
                yield from _nodes(subgraph)


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "replace")
