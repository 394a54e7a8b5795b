"""An estimator as ONNX, by skl2onnx: for the worker only."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from onnx import AttributeProto, ModelProto, helper, numpy_helper

from bundle.builder.estimator.exact import make_exact
from bundle.builder.estimator.layout import Layout, layout_of
from bundle.builder.estimator.load import last_step, load, nested
from bundle.builder.graph import save_graph, walk_nodes
from bundle.error import BundleError

#: The operator sets that every supported runtime opens and skl2onnx writes; nodes are made for these.
_OPSETS = {"": 18, "ai.onnx.ml": 3}
_BATCH = "batch"
#: Up to this number every integer is a float32.
_VOTE = 2.0**24
#: Words of two letters and more, as scikit-learn's default pattern finds them, in RE2's spelling.
_WORDS = "[\\p{L}\\p{N}_]{2,}"
_DEFAULT_WORDS = r"(?u)\b\w\w+\b"


class Told(NamedTuple):
    """What the worker tells of a conversion.

    Attributes:
        notes: (code, sentence) of what the user should know.
        decisions: for each output, what it decides.
        labels: for the output of all classes, what they are called.
    """

    notes: list[tuple[str, str]]
    decisions: dict[str, str]
    labels: dict[str, tuple[str, ...]]


def convert(source: Path, target: Path) -> Told:
    """Write the estimator in ``source`` as an ONNX file, the same bytes each time.

    Inputs are those of its layout; outputs are `label` and `probabilities` or `scores` of what decides,
    else `variable`. The first axis of each is `batch`.

    Errors: ``model_unreadable``, ``estimator_unsupported``.
    """
    estimator, notes = load(source)
    layout = layout_of(source, estimator)
    model = _convert(source, make_exact(source, estimator), layout)
    _rename_ports(source, model, layout, outputs_of(estimator))
    _settle_scores(model, last_step(estimator))
    _count_votes_exactly(model)
    _tidy(model)
    if _fix_locale(model):
        text = "text is lowered from A to Z only, so that no locale is needed: lower other letters before"
        notes.append(("text_lowered_ascii", text))
    save_graph(model, target)
    return Told(notes, *_meaning(last_step(estimator), [port.name for port in model.graph.output]))


def outputs_of(estimator: Any) -> dict[str, str]:
    """Return for each output, in order, the method of the estimator that gives the same."""
    last = last_step(estimator)
    if not hasattr(last, "predict"):
        return {"variable": "transform"}
    if hasattr(last, "predict_proba"):
        return {"label": "predict", "probabilities": "predict_proba"}
    if hasattr(last, "decision_function"):
        return {"label": "predict", "scores": "decision_function"}
    if hasattr(last, "cluster_centers_"):
        return {"label": "predict", "scores": "transform"}
    return {"label": "predict"} if hasattr(last, "classes_") else {"variable": "predict"}


def _meaning(last: Any, outputs: list[str]) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Return what each output decides, and what the columns of the one for all classes are called."""
    classes = [str(each) for each in np.ravel(getattr(last, "classes_", []))]
    # One column is the score of the second of two classes, and a cluster's score is a distance.
    columns = [name for name in outputs if name == "probabilities" or (name == "scores" and len(classes) > 2)]
    decisions = dict.fromkeys(outputs, "none") | dict.fromkeys(columns, "argmax")
    if "label" in decisions:
        decisions["label"] = "equal"
    return decisions, {name: tuple(classes) for name in columns if classes}


def _convert(source: Path, estimator: Any, layout: Layout) -> ModelProto:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    types = {"float32": FloatTensorType, "string": StringTensorType}
    # Under names of our own: the converter changes those that are no identifiers.
    ports = [
        (f"input_{i}", types[dtype]([None, *sizes])) for i, (_, dtype, sizes) in enumerate(layout.inputs)
    ]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model: ModelProto = convert_sklearn(
                estimator,
                name="estimator",
                initial_types=ports,
                target_opset=_OPSETS,
                options=_options(estimator),
            )
    except MemoryError:
        raise
    except Exception as error:  # each converter has its own ways to refuse
        line = (str(error).strip().splitlines() or ["no message"])[0][:300]
        found = f"{type(last_step(estimator)).__name__}: {line}"
        raise BundleError("estimator_unsupported", source.name, "what skl2onnx converts", found) from error
    return model


def _options(estimator: Any) -> dict[int, dict[str, Any]]:
    """Return the options by the identity of each estimator: no ZipMap, and words as scikit-learn has them."""
    from sklearn.base import is_classifier
    from sklearn.svm import LinearSVC

    options: dict[int, dict[str, Any]] = {}
    for each in nested(estimator):
        if isinstance(each, LinearSVC):
            # Its converter has no ZipMap, and refuses to be told so, as the pipeline around it would do.
            options[id(each)] = {}
        elif is_classifier(each) and each is last_step(estimator):
            options[id(each)] = {"zipmap": False}
        elif getattr(each, "token_pattern", None) == _DEFAULT_WORDS and each.analyzer == "word":
            options[id(each)] = {"tokenexp": _WORDS}
    return options


def _rename_ports(source: Path, model: ModelProto, layout: Layout, methods: dict[str, str]) -> None:
    """Give inputs and outputs their names; outputs that no method answers to are dropped."""
    graph = model.graph
    if len(graph.output) < len(methods):
        found = ", ".join(port.name for port in graph.output)
        expected = f"the outputs {', '.join(methods)}"
        raise BundleError("estimator_unsupported", source.name, expected, found)
    del graph.output[len(methods) :]
    wanted = {f"input_{i}": name for i, (name, _, _) in enumerate(layout.inputs)}
    renamed = {port.name: wanted[port.name] for port in graph.input}
    for port in [port for port in graph.input if renamed[port.name] in layout.unused]:
        graph.input.remove(port)
    renamed |= {port.name: name for port, name in zip(graph.output, methods, strict=True)}
    _rename(model, renamed)


def _settle_scores(model: ModelProto, last: Any) -> None:
    """Leave of two classes the one score that `decision_function` gives, in an array of one column.

    Converters write two columns, of which those of SVC are the wrong way round, or declare two and write one.
    """
    ports = {port.name: port for port in model.graph.output}
    if "scores" not in ports or len(getattr(last, "classes_", ())) != 2:
        return
    dims = ports["scores"].type.tensor_type.shape.dim
    name = type(last).__name__
    if dims[1].dim_value == 2 and not name.startswith("RidgeClassifier"):
        _rename(model, {"scores": "scores_of_both"})
        column = 0 if name in ("NuSVC", "SVC") else 1
        model.graph.initializer.append(numpy_helper.from_array(np.array([column]), "column_of_scores"))
        inputs = ["scores_of_both", "column_of_scores"]
        model.graph.node.append(helper.make_node("Gather", inputs, ["scores"], axis=1))
        ports["scores"].name = "scores"
    dims[1].dim_value = 1


def _rename(model: ModelProto, names: dict[str, str]) -> None:
    """Rename tensors, in place; one that has a new name already makes way for it."""
    graph = model.graph
    made = {name for node in walk_nodes(model) for name in (*node.input, *node.output)}
    clashing = (set(names.values()) & made) - names.keys()
    names = names | {name: f"{name}_inner" for name in clashing}
    for node in walk_nodes(model):
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for port in (*graph.input, *graph.output, *graph.initializer):
        port.name = names.get(port.name, port.name)
    del graph.value_info[:]


def _tidy(model: ModelProto) -> None:
    """Name the batch, and import each operator set once, in the version that the nodes were made for."""
    for port in (*model.graph.input, *model.graph.output):
        shape = port.type.tensor_type.shape
        if shape.dim and not shape.dim[0].dim_value:
            shape.dim[0].dim_param = _BATCH
    versions = dict(_OPSETS)
    for each in model.opset_import:
        versions[each.domain] = max(each.version, versions.get(each.domain, 0))
    used = {"", *(node.domain for node in walk_nodes(model))}
    del model.opset_import[:]
    for domain in sorted(used):
        model.opset_import.add(domain=domain, version=versions[domain])


def _count_votes_exactly(model: ModelProto) -> None:
    """Round the votes of forests down to multiples of 2^-24, whose sums up to 1 are exact in float32.

    Half of an even number of trees is a tie, which scikit-learn decides for the first class. Votes of
    1/20 as float32 add up to a little more or less than 1/2, and the class is that of the rounding.
    """
    for node in walk_nodes(model):
        attributes = {each.name: each for each in node.attribute}
        if node.op_type != "TreeEnsembleClassifier" or attributes["post_transform"].s != b"NONE":
            continue
        votes = np.array(attributes["class_weights"].floats, np.float64)
        if votes.min() >= 0 and votes.max() <= 1 and max(attributes["class_treeids"].ints) > 0:
            attributes["class_weights"].floats[:] = np.floor(votes * _VOTE) / _VOTE


def _fix_locale(model: ModelProto) -> bool:
    """Set the locale that every machine has where text is lowered; tell whether there is such a place."""
    found = [node for node in walk_nodes(model) if node.op_type == "StringNormalizer"]
    for node in found:
        kept = [each for each in node.attribute if each.name != "locale"]
        node.ClearField("attribute")
        node.attribute.extend(kept)
        node.attribute.add(name="locale", type=AttributeProto.STRING, s=b"C")
    return bool(found)
