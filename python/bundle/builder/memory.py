"""Memory that runs out: how it shows, and what the user is told."""

from __future__ import annotations

from bundle.error import BundleError

#: What numpy, ONNX Runtime and the C++ library say, in small letters.
_PHRASES = (
    "bad_alloc",
    "bad allocation",
    "cannot allocate memory",
    "failed to allocate memory",
    "memoryerror",
)


def says_so(text: str) -> bool:
    """Whether a message, or what a process printed before it ended, tells that memory ran out."""
    return any(phrase in text.lower() for phrase in _PHRASES)


def ran_out(error: BaseException) -> bool:
    """Whether an exception is about memory; ONNX Runtime has no class for that, only words."""
    return isinstance(error, MemoryError) or says_so(str(error))


def exhausted(model: str, found: str) -> BundleError:
    """Return ``memory_exhausted`` about a model, with what was found as a phrase."""
    return BundleError("memory_exhausted", model, "enough memory to build it", found)
