"""The options of a predictor: check P1 of the format, and their precedence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bundle.error import BundleError
from bundle.spec import table
from bundle.suggest import did_you_mean
from bundle.threads import effective_threads

if TYPE_CHECKING:
    from bundle.manifest import Manifest, Variant

# What people say for an option whose name is longer.
_SHORT = {"num_threads": "intra_op_threads", "provider": "providers", "threads": "intra_op_threads"}

FORMATS = ("onnx", "ort")
POLICIES = ("fallback", "strict")


@dataclass(frozen=True)
class Options:
    """Options that passed check P1; session settings stay as the caller gave them (see `settings`).

    Attributes:
        variant: the wanted variant; None for the bundle's default.
        format: the wanted format, ``onnx`` or ``ort``; None to choose.
        providers: wanted execution providers with their options, preferred first; None for the CPU's.
        provider_policy: ``fallback`` or ``strict``.
        allow_telemetry: accept a library that was loaded with telemetry on.
        allow_foreign_target: load an .ort file that is frozen for another machine.
        finite: inputs that must be finite although the manifest does not say so.
        config: session configuration entries from the allow-list.
        cast: convert float64 to float32, and to wider types where nothing is lost (Python only).
        session: the settings of spec/session.json that the caller gave.
    """

    variant: str | None = None
    format: str | None = None
    providers: tuple[tuple[str, dict[str, str]], ...] | None = None
    provider_policy: str = "fallback"
    allow_telemetry: bool = False
    allow_foreign_target: bool = False
    finite: frozenset[str] = frozenset()
    config: Mapping[str, str] = field(default_factory=dict)
    cast: bool = False
    session: Mapping[str, Any] = field(default_factory=dict)


def resolve_options(given: Mapping[str, Any], manifest: Manifest) -> Options:
    """Check the options of a call to open (P1).

    Args:
        given: options by name, as the caller wrote them; None is no value of any.
        manifest: the open bundle's.

    Raises:
        BundleError: ``option_invalid``, about the first option at fault in byte order of the names.
    """
    settings = table("session")["options"]
    values: dict[str, Any] = {}
    session: dict[str, Any] = {}
    for name in sorted(given, key=str.encode):
        value = given[name]
        if name in settings:
            session[name] = _setting(name, value, settings[name])
        elif name == "finite":
            values[name] = _names(value, manifest)
        elif name in _READERS:
            values[name] = _READERS[name](name, value)
        else:
            known = sorted([*settings, *_READERS, "finite"])
            expected = f"an option: {', '.join(known)}"
            raise _invalid(name, expected, "no such option", did_you_mean(_SHORT.get(name, name), known))
    if session.get("mapped") and values.get("format") == "onnx":
        raise _invalid("mapped", "format `ort`, the only one that can be mapped", "format `onnx`")
    values.pop("trust_bundle_library", None)
    return Options(**values, session=session)


def settings(options: Options, manifest: Manifest, variant: Variant) -> dict[str, Any]:
    """Return every setting of spec/session.json: the caller's, else the manifest's, else the table's.

    The threads that the builder found best for a variant are closer to it than the bundle's session.
    Whoever asks, they are lowered to what the process may use.
    """
    merged = {name: row["default"] for name, row in table("session")["options"].items()}
    merged.update(manifest.session)
    if variant.threads is not None:
        merged["intra_op_threads"] = variant.threads
    merged.update(options.session)
    for name in ("inter_op_threads", "intra_op_threads"):
        merged[name] = effective_threads(merged[name])
    return merged


def _invalid(name: str, expected: str, found: str, hint: str = "") -> BundleError:
    return BundleError("option_invalid", name, expected, found, hint)


def _setting(name: str, value: Any, row: Mapping[str, Any]) -> Any:
    """Return a session setting that fits its row of spec/session.json."""
    if row["type"] == "boolean":
        return _flag(name, value)
    if row["type"] == "string":
        return _word(name, value, row["enum"])
    low, high = row["minimum"], row["maximum"]
    if type(value) is not int or not low <= value <= high:
        raise _invalid(name, f"an integer from {low} to {high}", repr(value))
    return value


def _flag(name: str, value: Any) -> bool:
    if type(value) is not bool:
        raise _invalid(name, "True or False", repr(value))
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _invalid(name, "text", repr(value))
    return value


def _word(name: str, value: Any, words: Any) -> str:
    if not isinstance(value, str) or value not in words:
        raise _invalid(name, " or ".join(f"`{word}`" for word in words), repr(value))
    return value


def _names(value: Any, manifest: Manifest) -> frozenset[str]:
    known = {port.name for port in manifest.inputs}
    if not isinstance(value, (list, tuple, set, frozenset)) or not all(one in known for one in value):
        raise _invalid("finite", f"a list of inputs: {', '.join(sorted(known))}", repr(value))
    return frozenset(value)


def _config(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _invalid(name, "a mapping of keys to text", repr(value))
    allowed = table("session")["config_allow_list"]
    for key in sorted(value, key=str.encode):
        if key not in allowed:
            raise _invalid(key, f"one of {', '.join(allowed)}", "a key that is not on this list")
        if not isinstance(value[key], str):
            raise _invalid(key, "text", repr(value[key]))
    return dict(value)


def _providers(name: str, value: Any) -> tuple[tuple[str, dict[str, str]], ...]:
    """Return (provider, options) pairs from names, pairs, or a mapping of names to options."""
    entries = list(value.items()) if isinstance(value, Mapping) else value
    if not isinstance(entries, (list, tuple)) or not entries:
        raise _invalid(name, "a list of provider names, or a mapping of names to options", repr(value))
    pairs = [(entry, {}) if isinstance(entry, str) else entry for entry in entries]
    for pair in pairs:
        if not (isinstance(pair, (list, tuple)) and len(pair) == 2 and isinstance(pair[0], str)):
            raise _invalid(name, "a provider's name, or its name and options", repr(pair))
        if not isinstance(pair[1], Mapping) or not all(map(_is_provider_option, pair[1].items())):
            raise _invalid(name, f"options of `{pair[0]}`: text, integers or booleans by name", repr(pair[1]))
    # A name that stands twice counts where it stands first, as in ONNX Runtime.
    unique: dict[str, dict[str, str]] = {}
    for provider, options in pairs:
        # Providers read text; a boolean is 0 or 1 there.
        texts = {
            key: str(int(value)) if type(value) is bool else str(value) for key, value in options.items()
        }
        unique.setdefault(provider, texts)
    return tuple(unique.items())


def _is_provider_option(entry: tuple[Any, Any]) -> bool:
    key, value = entry
    return isinstance(key, str) and isinstance(value, (str, int))


def _no_library(name: str, value: Any) -> Any:
    raise _invalid(
        name,
        "no such option in Python, which uses the library of the `onnxruntime` package",
        repr(value),
        "install another version of the package: pip install onnxruntime==N.N.N",
    )


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "allow_foreign_target": _flag,
    "allow_telemetry": _flag,
    "cast": _flag,
    "config": _config,
    "format": lambda name, value: _word(name, value, FORMATS),
    "library": _no_library,
    "provider_policy": lambda name, value: _word(name, value, POLICIES),
    "providers": _providers,
    # Python never loads a bundle's own library, so that there is nothing to trust; the option is known
    # because the same options are given to every language.
    "trust_bundle_library": _flag,
    "variant": _text,
}
