"""What the commands share that change a device folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bundle.cli import exits, output

if TYPE_CHECKING:
    from bundle.device.change import Updated


def show(done: Updated, as_json: bool) -> int:
    """Print what the device runs now; return the exit code."""
    if as_json:
        output.print_json({"ok": True, **vars(done)})
        return exits.OK
    verdict = "runs" if done.changed else "ran already:"
    back = f"rollback brings back {done.previous}" if done.previous else "nothing to roll back to"
    output.print_text([f"{verdict} {done.name}@{done.version}", f"digest: {done.digest}", back])
    return exits.OK
