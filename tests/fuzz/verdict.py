"""What a reader's reply means, in a form that is equal where two readers agree."""

from typing import Any

#: A verdict: a word, and what it is about. The word is a code of spec/errors.json, or one of these.
Verdict = tuple[Any, ...]
ACCEPTED = "accepted"
CRASHED = "crashed"
PASSED, FAILED = "self-test passed", "self-test failed"

# Of an accepted `open`: what the reader made of the bundle. `reason` is text for people.
_OPENED = ("variant", "format", "providers", "session", "inputs", "outputs")


def of_parse(reply: dict[str, Any]) -> Verdict:
    """The verdict of `parse`."""
    return (ACCEPTED,) if reply["ok"] else _refusal(reply)


def of_folder(opened: dict[str, Any], tested: dict[str, Any]) -> Verdict:
    """The verdict of `open`, and where that went well of `self_test`."""
    if not opened["ok"]:
        return _refusal(opened)
    about = tuple(_frozen(opened[field]) for field in _OPENED)
    if not tested["ok"]:
        return (*_refusal(tested), *about)
    cases = tuple(
        (
            case["name"],
            case["passed"],
            *((one["name"], one["passed"], one["flips"], one["near_ties"]) for one in case["outputs"]),
        )
        for case in tested["cases"]
    )
    return (PASSED if tested["passed"] else FAILED, cases, *about)


def _refusal(reply: dict[str, Any]) -> Verdict:
    return reply["error"]["code"], reply["error"]["subject"]


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((key, _frozen(value[key])) for key in sorted(value))
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
