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
    """

    def __init__(self, code: str, subject: str, expected: str, found: str, hint: str = "") -> None:
        self.code = code
        self.subject = subject
        self.expected = expected
        self.found = found
        self._hint = hint
        # The pointer to a whole document is an empty text, which says nothing to a reader.
        about = f"`{subject}`: " if subject else ""
        super().__init__(f"{code}: {about}expected {expected}, found {found}")

    @property
    def hint(self) -> str:
        """What to do about it: the error's own hint, else that of its code, else nothing."""
        # Looked up when it is read: most errors are caught by their code, and nobody reads a table for them.
        return self._hint or _hints().get(self.code, "")

    def __reduce__(self) -> tuple[type[BundleError], tuple[str, str, str, str, str]]:
        """Keep every field when the error crosses a process boundary."""
        return type(self), (self.code, self.subject, self.expected, self.found, self._hint)


def _hints() -> dict[str, str]:
    from bundle.spec import table

    return {row["code"]: row["hint"] for row in table("errors")["errors"] if "hint" in row}
