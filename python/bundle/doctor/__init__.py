"""What would fail here, told before it does: the installation, the machine and, where one is named, a bundle.

Checks are small functions that return findings. They must run where numpy or ONNX Runtime is missing, so
that nothing here imports either before a check asks for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from bundle.doctor import bundles, installation, machine, providers
from bundle.doctor.finding import Finding

if TYPE_CHECKING:
    from bundle.doctor.runtime import Device

__all__ = ["CHECKS", "Finding", "examine", "examine_device"]

#: What is looked at before a bundle, in the order in which it is told.
CHECKS: tuple[Callable[[], list[Finding]], ...] = (
    installation.python,
    installation.numpy,
    installation.onnxruntime,
    installation.telemetry,
    installation.extras,
    machine.processor,
    machine.threads,
    machine.programs,
)


def examine(bundle: str | os.PathLike[str] | None = None) -> list[Finding]:
    """Return what was found, in a fixed order; a finding whose status is ``problem`` would fail.

    Args:
        bundle: the folder of a bundle that is to be opened here.
    """
    found = [finding for check in CHECKS for finding in check()]
    if bundle is not None:
        found += bundles.check(bundle)
    # Last, since it is by far the longest list.
    return [*found, *providers.providers()]


def examine_device(device: Device, bundle: str | os.PathLike[str] | None = None) -> list[Finding]:
    """Return what would fail on a device that is not this process: its library, its system, its operators.

    Nothing is loaded, and nothing is said of this installation of Python.

    Args:
        device: what is known of it.
        bundle: the folder of a bundle that is to be opened there.
    """
    from bundle.doctor import runtime

    if bundle is None:
        return runtime.check(device, None)
    look, found = bundles.look(bundle)
    return found if look is None else [*found, *runtime.check(device, look.bundle)]
