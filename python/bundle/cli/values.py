"""Values of flags that are more than one word."""

from __future__ import annotations

import argparse
import json
import re
from typing import Any


def pair(text: str) -> tuple[str, str]:
    """Parse NAME=TEXT."""
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return key, value


def setting(text: str) -> tuple[str, Any]:
    """Parse NAME=VALUE where the value is JSON (a number, true, a list) or, if it is not, a word."""
    key, value = pair(text)
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def size(text: str) -> list[int]:
    """Parse HEIGHTxWIDTH."""
    match = re.fullmatch("([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not HEIGHTxWIDTH")
    return [int(match[1]), int(match[2])]
