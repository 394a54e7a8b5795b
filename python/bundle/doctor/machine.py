"""Checks of the machine: its processor, the threads that a process may use, the native programs."""

from __future__ import annotations

import os

from bundle.doctor.finding import Finding, of_error
from bundle.error import BundleError
from bundle.library import host_arch, host_features
from bundle.parity import LANGUAGES
from bundle.spec import table
from bundle.threads import effective_threads


def processor() -> list[Finding]:
    """Tell the architecture, the class of the CPU, and which .ort files it can take."""
    from bundle.builder.host import cpu_class

    arch = host_arch()
    targets = table("targets")["targets"]
    if arch not in targets:
        known = ", ".join(name for name in targets if name != "any")
        sentence = f"{arch} is none of {known}: no .ort file is frozen for it, and each .onnx file is used"
        return [Finding("processor", "warning", sentence, "build with --target any")]
    features = host_features()
    rows = targets[arch]["cpu_classes"]
    fitting = [f"{arch}:{name}" for name, row in rows.items() if features.issuperset(row["features"])]
    sentence = f"{arch}, of class {cpu_class()}; takes .ort files for {', '.join(fitting)}"
    return [Finding("processor", "ok", sentence)]


def threads() -> list[Finding]:
    """Tell how many threads a process may use here, and what keeps it from more."""
    present, allowed = os.cpu_count() or 1, len(os.sched_getaffinity(0))
    usable = effective_threads(present)
    reasons = []
    if allowed < present:
        reasons.append(f"its affinity allows {allowed}")
    if usable < min(present, allowed):
        reasons.append("the CPU quota of its control group allows no more")
    why = f": {', and '.join(reasons)}" if reasons else ""
    return [Finding("threads", "ok", f"a process may use {usable} of {present} CPUs{why}")]


def programs() -> list[Finding]:
    """Tell where the program `bundle-predict` of each native language is."""
    from bundle.parity import programs as native

    found = []
    for language in LANGUAGES:
        if language == "python":
            continue
        check = f"bundle-predict ({language})"
        try:
            found.append(Finding(check, "ok", native.find(language, {})))
        except BundleError as error:
            if error.code != "runtime_missing":
                return [of_error("bundle-predict", error)]
            sentence = f"{error.found}; only the command parity asks for it"
            advice = f"make native, or {native.VARIABLE}={language}=PATH"
            found.append(Finding(check, "absent", sentence, advice))
    return found
