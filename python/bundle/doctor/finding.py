"""What a check found."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from bundle.error import BundleError

#: What each status says.
STATUSES = {
    "ok": "as it should be",
    "absent": "not here, and only what asks for it fails",
    "warning": "nothing fails, but it is not what one would expect",
    "problem": "would fail here",
    "unknown": "could not be found out",
}


@dataclass(frozen=True)
class Finding:
    """One sentence about one thing.

    Attributes:
        check: what was looked at, such as ``numpy`` or ``variant source``.
        status: of `STATUSES`.
        sentence: what was found, without a final period.
        advice: what to do about it; empty where nothing is to be done.
        code: of spec/errors.json, where opening would give it; else empty.
    """

    check: str
    status: str
    sentence: str
    advice: str = ""
    code: str = ""

    def tree(self) -> dict[str, str]:
        """Return the finding as a tree for JSON."""
        return asdict(self)


def of_error(check: str, error: BundleError) -> Finding:
    """Return the problem that an error of this package tells of."""
    return Finding(check, "problem", str(error), error.hint, error.code)
