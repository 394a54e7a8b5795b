"""Sessions of ONNX Runtime with every setting that can change bits or speed made explicit."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.error import BundleError
from bundle.library import load
from bundle.spec import table
from bundle.suggest import did_you_mean

CPU = "CPUExecutionProvider"
#: Execution providers with their options, preferred first.
Providers = Sequence[tuple[str, dict[str, str]]]

# Python shows warnings of a program that says nothing about logging.
_LOG = logging.getLogger("bundle")
_SEVERITIES = {"fatal": 4}
# In the C interface this entry sets an option; Python's keeps the text, and the option stays as it was.
_DETERMINISTIC = "session.use_deterministic_compute"


@dataclass(frozen=True)
class Loaded:
    """A session that started.

    Attributes:
        session: the ``onnxruntime.InferenceSession``.
        providers: the execution providers that run, preferred first.
        reasons: why each wanted provider that does not run was left out.
    """

    session: Any
    providers: tuple[str, ...]
    reasons: Mapping[str, str]


def bare_session(path: Path, *, level: str = "all", mapped: bool = False) -> Any:
    """Return a session over a model file with the defaults of spec/session.json.

    Args:
        path: an .onnx or .ort file.
        level: ``disabled``, ``basic``, ``extended`` or ``all``.
        mapped: map an .ort file instead of reading it.

    Raises:
        BundleError: of stage ``library``; what ONNX Runtime raises about the file passes through.
    """
    return _start(path, {**_defaults(), "graph_optimization_level": level, "mapped": mapped}, {}, [(CPU, {})])


def bare_options(level: str = "all") -> Any:
    """Return ``onnxruntime.SessionOptions`` with the defaults of spec/session.json, for what else takes them.

    Args:
        level: as for ``bare_session``.

    Raises:
        BundleError: of stage ``library``.
    """
    library = load(allow_telemetry=True)
    return _session_options(library, {**_defaults(), "graph_optimization_level": level}, {})


def _defaults() -> dict[str, Any]:
    return {name: row["default"] for name, row in table("session")["options"].items()}


def profiled_session(
    path: Path, settings: Mapping[str, Any], config: Mapping[str, str], wanted: Providers, prefix: str
) -> Any:
    """Return a session that writes ONNX Runtime's own profile; ``end_profiling()`` returns its file.

    Args:
        path: the file.
        settings: every option of spec/session.json.
        config: further configuration entries.
        wanted: execution providers with options, preferred first; all must be there.
        prefix: how the path of the profile begins.

    Raises:
        BundleError: of stage ``library``; what ONNX Runtime raises about the file passes through.
    """
    return _start(path, settings, config, wanted, prefix)


def load_session(
    path: Path,
    subject: str,
    settings: Mapping[str, Any],
    config: Mapping[str, str],
    wanted: Providers,
    policy: str,
) -> Loaded:
    """Load a model file with the execution providers that the caller prefers (P5).

    Args:
        path: the file.
        subject: its path inside the bundle.
        settings: every option of spec/session.json.
        config: further configuration entries.
        wanted: execution providers with options, preferred first.
        policy: ``strict`` or ``fallback``.

    Raises:
        BundleError: ``provider_unknown``, ``provider_unavailable`` or ``model_rejected``.
    """
    available = load(allow_telemetry=True).get_available_providers()
    reasons: dict[str, str] = {}
    for name, _ in wanted:
        known = table("session")["providers"]
        if name not in known:
            expected, hint = f"one of {', '.join(known)}", did_you_mean(name, known)
            raise BundleError("provider_unknown", name, expected, f"`{name}`", hint)
        if name not in available:
            reasons[name] = "not in this ONNX Runtime"
            _refuse_if_strict(policy, reasons)
    usable = [pair for pair in wanted if pair[0] in available]
    if policy == "fallback" and CPU not in dict(usable):
        usable.append((CPU, {}))
    try:
        session = _start(path, settings, config, usable)
    except Exception as error:
        session, failed = _start_without_failing(path, settings, config, usable, (subject, error))
        reasons.update(failed)
    running = tuple(session.get_providers())
    # ONNX Runtime leaves out a provider whose driver is missing without an error.
    reasons.update(
        {name: "did not start" for name, _ in usable if name not in running and name not in reasons}
    )
    _refuse_if_strict(policy, reasons)
    for name, reason in reasons.items():
        _LOG.warning("%s is left out: %s; the model runs on %s", name, reason, ", ".join(running))
    return Loaded(session, running, reasons)


def _refuse_if_strict(policy: str, reasons: Mapping[str, str]) -> None:
    if policy == "strict" and reasons:
        name, reason = next(iter(reasons.items()))
        raise BundleError("provider_unavailable", name, "an execution provider that starts", reason)


def _start_without_failing(
    path: Path,
    settings: Mapping[str, Any],
    config: Mapping[str, str],
    usable: Providers,
    failure: tuple[str, Exception],
) -> tuple[Any, dict[str, str]]:
    """Return a session without the providers that fail, and their reasons.

    An error at start may be the model's fault or a provider's: if the CPU alone takes the model, it was a
    provider's, and they are added again one at a time.
    """
    subject, error = failure
    others = [pair for pair in usable if pair[0] != CPU]
    try:
        if not others:
            raise error
        session = _start(path, settings, config, [(CPU, {})])
    except Exception as cause:
        expected = "a model that this ONNX Runtime accepts"
        raise BundleError("model_rejected", subject, expected, sentence(cause)) from cause
    kept: list[tuple[str, dict[str, str]]] = []
    reasons: dict[str, str] = {}
    for pair in others:
        try:
            session = _start(path, settings, config, [*kept, pair, (CPU, {})])
            kept.append(pair)
        except Exception as cause:
            reasons[pair[0]] = f"did not start: {sentence(cause)}"
    return session, reasons


def sentence(error: Exception) -> str:
    """Return the first line of an error of ONNX Runtime, or its type where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _start(
    path: Path,
    settings: Mapping[str, Any],
    config: Mapping[str, str],
    providers: Providers,
    profile: str | None = None,
) -> Any:
    library = load(allow_telemetry=True)
    options = _session_options(library, settings, config)
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = profile
    options.add_session_config_entry("session.load_model_format", path.suffix[1:].upper())
    return library.InferenceSession(
        str(path),
        options,
        providers=[(name, dict(values)) for name, values in providers],
        # Both change behind the caller's back what was asked for: a second try with other providers
        # (and a report on stdout), and options that a model file carries.
        enable_fallback=0,
        read_config_from_model=0,
    )


def _session_options(library: Any, settings: Mapping[str, Any], config: Mapping[str, str]) -> Any:
    session_table = table("session")
    fixed = session_table["fixed"]
    options = library.SessionOptions()
    options.execution_mode = getattr(library.ExecutionMode, f"ORT_{fixed['execution_mode'].upper()}")
    options.log_severity_level = _SEVERITIES[fixed["log_severity"]]
    level = settings["graph_optimization_level"].upper()
    prefix = "ORT_DISABLE_ALL" if level == "DISABLED" else f"ORT_ENABLE_{level}"
    options.graph_optimization_level = getattr(library.GraphOptimizationLevel, prefix)
    options.intra_op_num_threads = settings["intra_op_threads"]
    options.inter_op_num_threads = settings["inter_op_threads"]
    options.enable_cpu_mem_arena = settings["cpu_arena"]
    options.enable_mem_pattern = settings["memory_pattern"]
    entries = dict(fixed["config"])
    for name, row in session_table["options"].items():
        entries.update({key: str(int(settings[name])) for key in row.get("config_keys", [])})
    for key, value in {**entries, **config}.items():
        options.add_session_config_entry(key, value)
    if _DETERMINISTIC in config:
        options.use_deterministic_compute = _boolean(_DETERMINISTIC, config[_DETERMINISTIC])
    return options


def _boolean(key: str, value: str) -> bool:
    """Return what the C interface reads, or refuse the value in its words."""
    word = value.lower()
    if word not in ("0", "1", "false", "true"):
        raise ValueError(f"value for '{key}' must be a boolean ('0'/'1' or 'true'/'false'); got '{value}'")
    return word in ("1", "true")
