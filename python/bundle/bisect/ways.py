"""What is compared: a language's program or a model file in this process, with options of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto

from bundle import library
from bundle.bisect.graph import is_coarse
from bundle.bisect.rules import CLOSE, EXACT, Rule, words
from bundle.bisect.sealed import Port, seal_file
from bundle.builder.external import onnx_model
from bundle.builder.graph import walk_nodes
from bundle.builder.precision import precision_of
from bundle.bundle import Bundle
from bundle.dtype import BY_ORT
from bundle.error import BundleError
from bundle.fit import choose
from bundle.options import Options, resolve_options, settings
from bundle.parity import LANGUAGES
from bundle.session import bare_session, sentence
from bundle.spec import table
from bundle.suggest import did_you_mean

_ENDINGS = (".onnx", ".ort")


@dataclass(frozen=True)
class Subject:
    """What the ways are ways of running.

    Attributes:
        bundle: the bundle; where a plain file was given, one around it.
        variant: the variant that languages open.
        format: of its files; None for the one that fits here.
        plain: the file, where it was one.
    """

    bundle: Bundle
    variant: str
    format: str | None = None
    plain: Path | None = None


@dataclass(frozen=True)
class Told:
    """What was said of one way: the word after ``--a``, and the options that it has alone or shares."""

    word: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Way:
    """A way of running a model.

    Attributes:
        word: as it was said.
        language: whose program answers; None for a session in this process.
        model: the file that runs.
        choices: the options as `bundle.open` takes them.
        values: every setting of spec/session.json.
        options: the options as a program is told them.
        away: it runs on another machine, behind a runner.
    """

    word: str
    language: str | None
    model: Path
    choices: Options
    values: Mapping[str, Any]
    options: Mapping[str, Any]
    away: bool = False

    @property
    def level(self) -> str:
        """The graph optimization level that it runs at."""
        return str(self.values["graph_optimization_level"])

    @property
    def mapped(self) -> bool:
        """Whether the file is mapped, which keeps weights from being packed for the CPU."""
        return bool(self.values["mapped"]) and self.model.suffix.lower() == ".ort"

    def changes_bits(self, other: Way) -> bool:
        """Tell whether an option differs that may change bits."""
        rows = table("session")["options"]
        marked = [name for name, row in rows.items() if row.get("changes_bits")]
        return (
            any(self.values[name] != other.values[name] for name in marked)
            or self.choices.providers != other.choices.providers
            or self.choices.config != other.choices.config
        )


def subject_of(
    path: Path, variant: str | None, form: str | None, folder: Path, digest: str | None = None
) -> Subject:
    """Open a bundle, or make one in ``folder`` around a plain model file.

    Raises:
        BundleError: those of opening a bundle; ``model_rejected``; ``usage_invalid`` for a variant of a file.
    """
    if path.suffix.lower() not in _ENDINGS or path.is_dir():
        bundle = Bundle.open(path, digest=digest)
        return Subject(bundle, bundle.manifest.variant(variant).name, form)
    if variant is not None or form is not None:
        raise BundleError("usage_invalid", str(path), "a bundle, which has variants", "a plain file")
    session = opened(path)
    inputs, outputs = map(_ports, (session.get_inputs(), session.get_outputs()))
    bundle = Bundle.open(seal_file(_in_one_file(path, folder), folder / "subject", inputs, outputs))
    return Subject(bundle, bundle.manifest.default_variant, None, path)


def _in_one_file(path: Path, folder: Path) -> Path:
    """Return the path of a model with its weights inside: another one where they lie beside the file."""
    if path.suffix.lower() == ".ort" or not onnx_model(path).data:
        return path
    whole = folder / "whole.onnx"
    onnx.save(onnx.load(path), whole)
    return whole


def opened(path: Path) -> Any:
    """Return a session over a plain file that optimizes nothing.

    Raises:
        BundleError: ``input_file_unreadable``, ``model_rejected``.
    """
    if not path.is_file():
        raise BundleError("input_file_unreadable", str(path), "a model file", "no such file")
    try:
        return bare_session(path, level="disabled")
    except BundleError:
        raise
    except Exception as error:  # one class per status code, all of them in a private module
        expected = "a file that ONNX Runtime opens"
        raise BundleError("model_rejected", path.name, expected, sentence(error)) from error


def _ports(values: Any) -> list[Port]:
    return [_port(value) for value in values]


def _port(value: Any) -> Port:
    if value.type not in BY_ORT:
        raise BundleError("tensor_unsupported", value.name, "a tensor of a dtype of the format", value.type)
    sizes = [
        size if isinstance(size, int) else f"{value.name}/{axis}" for axis, size in enumerate(value.shape)
    ]
    return value.name, BY_ORT[value.type].word, sizes


def make_way(told: Told, subject: Subject, native: Mapping[str, Any], runner: str = "") -> Way:
    """Find out what a word means: a language, a variant, a file of the bundle, or a path.

    Args:
        told: the word and its options.
        subject: the bundle.
        native: further options of the programs other than Python's.
        runner: what the programs other than Python's run behind.

    Raises:
        BundleError: ``usage_invalid`` for a word that means nothing here; ``option_invalid``,
            ``format_unavailable``, ``target_mismatch``.
    """
    manifest = subject.bundle.manifest
    choices = resolve_options({name: value for name, value in told.options.items()}, manifest)
    form = choices.format or ("ort" if choices.session.get("mapped") else None) or subject.format
    if told.word in LANGUAGES:
        away = bool(runner) and told.word != "python"
        variant = manifest.variant(subject.variant)
        file = choose(manifest, variant, library.version(), form, foreign=bool(runner))
        options = {**told.options, "variant": variant.name, "format": file.format}
        options |= {"allow_foreign_target": True} if runner and file.format == "ort" else {}
        options |= {} if told.word == "python" else dict(native)
        model = subject.bundle.file_path(file.path)
        return Way(told.word, told.word, model, choices, settings(choices, manifest, variant), options, away)
    name, model = _file(told.word, subject, form)
    values = settings(choices, manifest, manifest.variant(name))
    values["mapped"] = values["mapped"] and model.suffix.lower() == ".ort"
    return Way(told.word, None, model, choices, values, told.options)


def _file(word: str, subject: Subject, form: str | None) -> tuple[str, Path]:
    """Return the variant and the file that a word means."""
    bundle = subject.bundle
    names = {}
    for variant in bundle.manifest.variants:
        for path in variant.files.values():
            names[Path(path).name] = names[path] = (variant.name, bundle.file_path(path))
        if word == variant.name and form is not None and form not in variant.files:
            found = f"only {', '.join(sorted(variant.files))}"
            raise BundleError("format_unavailable", form, f"`{form}` in variant `{word}`", found)
        usual = variant.files.get(form or "onnx") or min(variant.files.values())
        names[variant.name] = (variant.name, bundle.file_path(usual))
    if word in names and subject.plain is None:
        return names[word]
    plain = Path(word)
    if plain.suffix.lower() in _ENDINGS and plain.is_file():
        return subject.variant, plain
    known = [*LANGUAGES, *(names if subject.plain is None else ())]
    expected = f"one of {', '.join(known)}, or the path of an .onnx or .ort file"
    raise BundleError("usage_invalid", word, expected, "none of these", did_you_mean(word, known))


def rule_of(a: Way, b: Way, graphs: Sequence[ModelProto], word: str | None) -> Rule:
    """Return how far two ways may lie apart: as ``word`` says, else as alike as they are.

    The same file with the same options on one machine gives the same bytes; a quantized model has its
    precision's budget; all else is ``close``.

    Raises:
        BundleError: ``usage_invalid`` for an unknown word.
    """
    if word is not None:
        if word not in words():
            hint = did_you_mean(word, words())
            raise BundleError(
                "usage_invalid", "--tolerance", f"one of {', '.join(words())}", f"`{word}`", hint
            )
        return Rule(word)
    same_file = a.model.resolve() == b.model.resolve()
    if same_file and not a.changes_bits(b) and a.away == b.away:
        return Rule(EXACT)
    first, second = (_kind(graph) for graph in graphs)
    quantized = {first, second} - {CLOSE}
    if not quantized or (first == second == "fp16"):
        return Rule(CLOSE)
    return Rule(max(quantized))


def _kind(model: ModelProto) -> str:
    """Return the precision whose budget a model has; ``close`` for one that is not quantized."""
    operators = {node.op_type for node in walk_nodes(model)}
    if any(name in operators for name in ("DynamicQuantizeLinear", "MatMulInteger", "DynamicQuantizeMatMul")):
        return "int8-dynamic"
    if any(map(is_coarse, operators)):
        return "int8-static"
    return "fp16" if precision_of(model) == "float16" else CLOSE
