"""Every dtype of the format."""

import numpy as np

from tests.vectors.case import Case, open_, predict, self_test, valid
from tests.vectors.kit import Bundle, answer, build, given
from tests.vectors.model import node
from tests.vectors.tensor import Tensors, strings, word


def samples() -> Tensors:
    """Two elements of each dtype, at the ends of its range; names do not follow the order of dtypes."""
    names = {"half": "float16", "single": "float32", "double": "float64"}
    made: Tensors = {
        name: np.array([np.finfo(dtype).tiny, -np.finfo(dtype).max], dtype) for name, dtype in names.items()
    }
    for dtype in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        info = np.iinfo(dtype)
        made[f"i_{dtype}"] = np.array([info.min, info.max], dtype)
    return made | {"flag": np.array([True, False]), "text": strings("a", "é")}


def every() -> Bundle:
    """One Identity for each dtype."""
    names = samples()
    return build(
        [given(name, word(array), ["n"]) for name, array in names.items()],
        [answer(f"{name}_out", word(array), ["n"]) for name, array in names.items()],
        [node("Identity", name, f"{name}_out") for name in names],
        lambda inputs: {f"{name}_out": array for name, array in inputs.items()},
    )


@valid("C4", "C9", "C12")
def every_dtype() -> Case:
    """The ends of the range of every dtype, through the model and through a golden file."""
    made = every()
    made.golden_case("first", samples())
    steps = [predict(made, samples(), offset=offset) for offset in (0, 1, 8)]
    return Case([open_(), *steps, self_test()], bundle=made.seal())
