"""A program that speaks the protocol through Python's predictor, and changes some replies on their way.

The argument is the fault: ``none``, ``last_bit``, ``nan``, ``drop``, ``refuse``, ``session``, ``die`` or
``silent``.
"""

import json
import sys
from typing import Any

from bundle.protocol import Driver


def changed(reply: dict[str, Any], fault: str) -> dict[str, Any]:
    """A reply with the fault in it: in the outputs of `predict`, or in the settings of `open`."""
    outputs = reply.get("outputs")
    if fault == "session" and "session" in reply:
        return {**reply, "session": {**reply["session"], "intra_op_threads": 7}}
    if not isinstance(outputs, dict):
        return reply
    name = next(iter(outputs))
    if fault in ("last_bit", "nan"):
        data = outputs[name]["data"]
        first = f"{int(data[:2], 16) ^ 1:02x}" + data[2:] if fault == "last_bit" else "0000c07f" + data[8:]
        return {**reply, "outputs": {**outputs, name: {**outputs[name], "data": first}}}
    if fault == "drop":
        return {**reply, "outputs": {}}
    error = {"code": "runtime_failure", "subject": ".", "expected": "", "found": "", "message": ""}
    return {"id": reply["id"], "ok": False, "error": error} if fault == "refuse" else reply


def serve(fault: str) -> None:
    driver = Driver()
    for line in sys.stdin.buffer:
        if fault == "die":
            sys.exit(3)
        if fault == "silent":
            continue
        print(json.dumps(changed(driver.answer(line), fault)), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
