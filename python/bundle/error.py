"""The one exception of this package, with codes that are stable across languages."""

from __future__ import annotations


class BundleError(Exception):
    """A refusal with a stable code.

    Attributes:
        code: a code of ``spec/errors.json``; switch on this, never on the text.
        subject: what the refusal is about: a JSON Pointer for manifest faults, else a path inside
            the bundle, a tensor name, an option name or ``.`` for the bundle itself.
        expected: what would have been right, as a phrase.
        found: what was there instead, as a phrase.
        hint: what to do about it; empty when there is nothing useful to say.
    """

    def __init__(self, code: str, subject: str, expected: str, found: str, hint: str = "") -> None:
        self.code = code
        self.subject = subject
        self.expected = expected
        self.found = found
        self.hint = hint
        super().__init__(f"{code}: `{subject}`: expected {expected}, found {found}")

    def __reduce__(self) -> tuple[type[BundleError], tuple[str, str, str, str, str]]:
        """Keep every field when the error crosses a process boundary."""
        return type(self), (self.code, self.subject, self.expected, self.found, self.hint)
