"""Saved scikit-learn estimators: brought to ONNX, and asked what they answer themselves.

Unpickling runs code that the file chooses. So no function here opens a file without the user's word, and
all of it happens in the worker, whose end is not the build's.
"""

from __future__ import annotations

from bundle.builder.estimator.ask import (
    FORMAT,
    Converted,
    compare_with_estimator,
    convert_estimator,
    estimator_cases,
    framework_answers,
    is_estimator,
    refuse,
)

__all__ = [
    "FORMAT",
    "Converted",
    "compare_with_estimator",
    "convert_estimator",
    "estimator_cases",
    "framework_answers",
    "is_estimator",
    "refuse",
]
