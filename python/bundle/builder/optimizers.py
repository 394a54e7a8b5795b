"""Which optimizers there are, what each needs, and the options that it takes, as text."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bundle.error import BundleError
from bundle.schema import FORMATS
from bundle.suggest import did_you_mean

NONE, ONNXSLIM, ORT_BASIC = "none", "onnxslim", "ort-basic"
ONNXSIM, ONNXOPTIMIZER, TRANSFORMERS = "onnxsim", "onnxoptimizer", "transformers"

_TRUTH = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class Kind:
    """How an option's text becomes the value that a library takes.

    Attributes:
        meaning: what the text may be, as a phrase.
        parse: text -> value; ValueError or KeyError where it is not that.
    """

    meaning: str
    parse: Callable[[str], Any]


def _words(text: str) -> list[str]:
    found = [word.strip() for word in text.split(",")]
    if not all(found):
        raise ValueError(text)
    return found


_FLAG = Kind("true or false", lambda text: _TRUTH[text.lower()])
_NUMBER = Kind("an integer", int)
_WORDS = Kind("names joined by commas", _words)
_TEXT = Kind("a word", str)
# Above level 1 ONNX Runtime fuses for the machine that it runs on.
_LEVEL = Kind("0 or 1", lambda text: {"0": 0, "1": 1}[text])


@dataclass(frozen=True)
class Optimizer:
    """One optimizer.

    Attributes:
        library: the distribution that it comes with, whose name is that of its module, too.
        extra: what to install of this package to have it.
        options: by the name of the library's own parameter.
    """

    library: str
    extra: str
    options: Mapping[str, Kind] = field(default_factory=dict)


#: Options that rename, cut or retype a model, check it or write files are left out: other flags, other
#: stages and the gate do that, and a bundle has to say that they did.
OPTIMIZERS: Mapping[str, Optimizer] = {
    ONNXSLIM: Optimizer(
        "onnxslim",
        "build",
        {
            "no_shape_infer": _FLAG,
            "size_threshold": _NUMBER,
            "skip_fusion_patterns": _WORDS,
            "skip_optimizations": _WORDS,
        },
    ),
    ONNXSIM: Optimizer(
        "onnxsim",
        "optimizers",
        {
            "extra_optimizers": _WORDS,
            "gemm_fusion_backend": _TEXT,
            "include_subgraph": _FLAG,
            "initializers_as_constants": _FLAG,
            "inline_functions": _FLAG,
            "perform_optimization": _FLAG,
            "range_opt": _FLAG,
            "skip_constant_folding": _FLAG,
            "skip_fuse_bn": _FLAG,
            "skip_shape_inference": _FLAG,
            "skipped_optimizers": _WORDS,
            "tensor_size_threshold": _TEXT,
        },
    ),
    ONNXOPTIMIZER: Optimizer("onnxoptimizer", "optimizers", {"fixed_point": _FLAG, "passes": _WORDS}),
    ORT_BASIC: Optimizer("onnxruntime", "build", {"disabled_optimizers": _WORDS}),
    TRANSFORMERS: Optimizer(
        "onnxruntime",
        "build",
        {
            "enable_attention": _FLAG,
            "enable_bias_gelu": _FLAG,
            "enable_bias_skip_layer_norm": _FLAG,
            "enable_embed_layer_norm": _FLAG,
            "enable_gelu": _FLAG,
            "enable_gelu_approximation": _FLAG,
            "enable_layer_norm": _FLAG,
            "enable_skip_layer_norm": _FLAG,
            "hidden_size": _NUMBER,
            "model_type": _TEXT,
            "num_heads": _NUMBER,
            "opt_level": _LEVEL,
            "use_multi_head_attention": _FLAG,
        },
    ),
}


def chain(wanted: str) -> tuple[str, ...]:
    """Return the optimizers to try, in order: the wanted one, then the one that fails least.

    Empty for ``none``.
    """
    if wanted == NONE:
        return ()
    return tuple(dict.fromkeys((wanted, ORT_BASIC)))


def require(wanted: str) -> None:
    """Refuse an optimizer whose library is not installed.

    Errors: ``extra_missing``.
    """
    entry = OPTIMIZERS.get(wanted)
    if entry is not None and importlib.util.find_spec(entry.library) is None:
        hint = f"pip install 'edgebundle[{entry.extra}]'"
        expected = f"the library of the optimizer `{wanted}`"
        raise BundleError("extra_missing", entry.library, expected, "an installation without it", hint)


def check_options(wanted: str, options: Mapping[str, str]) -> None:
    """Refuse options that the wanted optimizer does not take.

    Errors: ``config_invalid``; the subject is a JSON Pointer into bundle.toml.
    """
    parse_options(wanted, options)
    if not FORMATS["text"](canonical(options)):
        found = f"{len(canonical(options))} characters"
        raise BundleError("config_invalid", _POINTER, "options that fit into one text of a manifest", found)


_POINTER = "/build/optimizer_options"


def parse_options(wanted: str, options: Mapping[str, str]) -> dict[str, Any]:
    """Return options as the values that the library of the wanted optimizer takes.

    Errors: ``config_invalid`` where it has no such option, or the option no such value.
    """
    known = OPTIMIZERS[wanted].options if wanted in OPTIMIZERS else {}
    values = {}
    for name, text in options.items():
        if name not in known:
            expected = f"an option of `{wanted}`: {', '.join(known) or 'it takes none'}"
            hint = did_you_mean(name, known)
            raise BundleError("config_invalid", f"{_POINTER}/{name}", expected, f"`{name}`", hint)
        try:
            values[name] = known[name].parse(text)
        except (KeyError, ValueError):
            pointer = f"{_POINTER}/{name}"
            raise BundleError("config_invalid", pointer, known[name].meaning, repr(text)) from None
    return values


def canonical(options: Mapping[str, str]) -> str:
    """Return options as one text, for a manifest: ``k=v,k=v``, sorted by name."""
    return ",".join(f"{name}={options[name]}" for name in sorted(options))
