"""Mutations of the options that a bundle is opened with."""

import hashlib
from random import Random
from typing import Any

from bundle.canonical import dumps
from bundle.spec import table
from tests.fuzz import values
from tests.fuzz.folders import Folder

_WORDS: dict[str, tuple[Any, ...]] = {
    "format": ("onnx", "ort", "ONNX", "", "pt"),
    "graph_optimization_level": ("all", "basic", "disabled", "extended", "ALL"),
    "mode": ("full", "quick", "quick", "fast", ""),
    "provider_policy": ("strict", "fallback", "Strict"),
    "variant": ("source", "int8", "float16", "none", "", "é"),
}
_PROVIDERS = (
    "CPUExecutionProvider",
    "CUDAExecutionProvider",
    "AzureExecutionProvider",
    "XnnpackExecutionProvider",
    "None",
    "",
)


def retarget(rng: Random, folder: Folder) -> None:
    """Say that the bundle is for another machine or a newer library, and mostly ask for the frozen file."""
    tree = folder.tree()
    arch = rng.choice(["arm64", "arm64", "x86_64"])
    row = table("targets")["targets"][arch]
    tree["target"] = {"arch": arch, "cpu_class": row["default_cpu_class"], "os": row["os"]}
    for variant in tree["variants"]:
        variant["cpu_class"] = rng.choice([*row["cpu_classes"], row["default_cpu_class"]])
        variant["writer"] = rng.choice([variant["writer"], "999.0.0"])
    folder.files[b"bundle.json"] = dumps(tree)
    folder.options.pop("allow_foreign_target", None)
    folder.options |= rng.choice([{"format": "ort"}, {"format": "ort"}, {}, {"mapped": True}])


def unavailable(rng: Random, folder: Folder) -> None:
    """Insist on providers of which this machine has few."""
    folder.options["providers"] = [_provider(rng) for _ in range(rng.choice([1, 2]))]
    folder.options["provider_policy"] = "strict"


def mutate(rng: Random, folder: Folder) -> None:
    """Set, change or drop one or two options; not `library`, which is another thing in every language."""
    for _ in range(rng.choice([1, 1, 2])):
        name = rng.choice(_NAMES)
        if folder.options and rng.random() < 0.2:
            folder.options.pop(rng.choice(sorted(folder.options)))
        elif rng.random() < 0.15:
            folder.options[name] = rng.choice([None, 1.5, values.other_type(rng)])
        else:
            folder.options[name] = _value(rng, name, folder)


def _value(rng: Random, name: str, folder: Folder) -> Any:
    if name == "digest":
        return _digest(rng, folder)
    if name == "finite":
        return rng.sample(["x", "rows", "other", "image", "none", "", "é"], rng.choice([0, 1, 2]))
    if name == "providers":
        return [_provider(rng) for _ in range(rng.choice([0, 1, 1, 2, 3]))]
    if name == "config":
        keys = [*table("session")["config_allow_list"], "session.none", "", "é"]
        given = ["0", "1", "", 1, True, None]
        return {rng.choice(keys): rng.choice(given) for _ in range(rng.choice([0, 1, 2]))}
    if name.endswith("_threads"):
        return rng.choice([1, 2, 0, 256, 257, -1, 1.5, True])
    return rng.choice(_WORDS.get(name, (True, True, False)))


def _digest(rng: Random, folder: Folder) -> str:
    right = hashlib.sha256(folder.files.get(b"bundle.json", b"")).hexdigest()
    return rng.choice([right, right, right.upper(), right[:-1], "0" * 64, values.sha256(rng)])


def _provider(rng: Random) -> Any:
    name = rng.choice(_PROVIDERS)
    if rng.random() < 0.7:
        return name
    return rng.choice([[name, {}], [name, {"a": "1"}], [name, {"a": None}], [name], [name, []], [1, {}], 1])


# Those of FORMAT.md section 5, and two that no table knows. `allow_telemetry` changes nothing here.
_NAMES = (
    "allow_foreign_target", "allow_foreign_target", "config", "digest", "digest", "finite", "format",
    "format", "mode", "mode",
    "provider_policy", "providers", "providers", "trust_bundle_library", "variant", "variant", "mapped",
    "none", "Mode",
    *table("session")["options"],
)  # fmt: skip
