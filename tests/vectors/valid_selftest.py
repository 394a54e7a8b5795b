"""Self-tests: what passes, what does not, and at which difference."""

import numpy as np

from tests.vectors.bases import mixed, mixed_inputs, scale, scale_without_cases
from tests.vectors.case import Case, call, fail, invalid, open_, self_test, valid
from tests.vectors.kit import GOLDEN, MODEL, Bundle, answer, bits, build, given, grid, variant
from tests.vectors.model import node
from tests.vectors.tensor import golden

ROWS = {"x": grid(2, 3)}


def recorded(made: Bundle, tolerance: dict, *differences: float) -> Case:
    """Cases whose recording differs in one element; all but the last pass.

    The answers to `ROWS` are whole numbers up to 7, so a difference in eighths is exact.
    """
    made.tree["variants"][0]["tolerances"] = [tolerance]
    right = made.compute(ROWS)["y"]
    told = []
    for number, difference in enumerate(differences):
        changed = right.copy()
        changed[0, 0] += difference
        made.golden_case(f"case{number}", ROWS, source={"y": changed})
        passed = number < len(differences) - 1
        told.append({"name": f"case{number}", "passed": passed, "outputs": [{"name": "y", "passed": passed}]})
    expect = {"ok": True, "passed": False, "cases": told}
    return Case([open_(), call("self_test", expect)], bundle=made.seal())


def plain() -> Bundle:
    """`scale` without cases, where no output decides anything."""
    made = scale_without_cases()
    made.tree["outputs"][0]["decision"] = "none"
    return made


@valid("section 7")
def self_test_passes() -> Case:
    """Every case and output is told, by name."""
    made = scale()
    made.golden_case("second", {"x": grid(1, 3, start=40)})
    told = [
        {"name": name, "passed": True, "outputs": [{"name": "y", "passed": True, "flips": 0, "near_ties": 0}]}
        for name in ("first", "second")
    ]
    return Case([open_(), self_test(cases=told)], bundle=made.seal())


@valid("section 7")
def self_test_exact() -> Case:
    """One bit is too much."""
    last = float(np.spacing(np.float32(3)))
    return recorded(plain(), {"word": "exact"}, 0.0, last)


@valid("section 7")
def self_test_exact_tells_zeros_apart() -> Case:
    """Every bit equal: 0 is not -0, and NaN is NaN whatever its payload."""
    made = build(
        [given("x", "float32", [3], finite=False)],
        [answer("y", "float32", [3])],
        [node("Identity", "x", "y")],
        lambda inputs: {"y": inputs["x"]},
    )
    rows = np.array([0, np.nan, np.inf], np.float32)
    other = rows.copy()
    other.view(np.uint32)[1] = 0xFFC00001
    made.golden_case("nan", {"x": rows}, source={"y": other})
    made.golden_case("zero", {"x": rows}, source={"y": np.array([-0.0, np.nan, np.inf], np.float32)})
    told = [{"name": "nan", "passed": True}, {"name": "zero", "passed": False}]
    return Case(
        [open_(), call("self_test", {"ok": True, "passed": False, "cases": told})], bundle=made.seal()
    )


@valid("section 7")
def self_test_close() -> Case:
    """The bound grows with the largest value of the whole tensor, not with the element."""
    made = plain()
    made.tree["variants"][0]["tolerances"] = [{"word": "close"}]
    rows = {"x": np.array([[0, 0, 512], [1, 2, 3]], np.float32)}
    right = made.compute(rows)["y"]
    told = []
    for name, difference, passed in (("inside", 0.0078125, True), ("outside", 0.015625, False)):
        changed = right.copy()
        changed[0, 0] += np.float32(difference)
        made.golden_case(name, rows, source={"y": changed})
        told.append({"name": name, "passed": passed})
    expect = {"ok": True, "passed": False, "cases": told}
    return Case([open_(), call("self_test", expect)], bundle=made.seal())


@valid("section 7")
def self_test_absolute() -> Case:
    """Differences up to the bound pass, on both sides; an eighth more does not."""
    return recorded(plain(), {"word": "absolute", "bound": bits(0.5)}, 0.5, -0.5, 0.625)


@valid("section 7")
def self_test_quantized() -> Case:
    """Three quanta of a quarter pass; an eighth more does not."""
    return recorded(plain(), {"word": "quantized", "quanta": 3, "step": bits(0.25)}, 0.75, -0.75, 0.875)


@valid("section 7")
def self_test_counts_decisions() -> Case:
    """Row 0 decides otherwise where the two largest values are nearer than the tolerance; row 1 is a flip."""
    made = scale_without_cases()
    made.tree["variants"][0]["tolerances"] = [{"word": "absolute", "bound": bits(0.5)}]
    rows = {"x": np.array([[0, 2, 2.125], [2, 2.1875, 0], [0, 0, 9]], np.float32)}
    told = np.array([[1, 5.25, 5], [5.5, 4.875, 1], [1, 1, 19]], np.float32)
    made.golden_case("first", rows, source={"y": told})
    outputs = [{"name": "y", "passed": True, "flips": 1, "near_ties": 1}]
    expect = {"cases": [{"name": "first", "passed": True, "outputs": outputs}]}
    return Case([open_(), self_test(**expect)], bundle=made.seal())


@valid("section 7")
def self_test_of_strings_and_bools() -> Case:
    """Whatever the word, strings and bools are compared exactly."""
    made = mixed()
    made.tree["variants"][0]["tolerances"] = [{"word": "close"}] * 4
    right = made.compute(mixed_inputs())
    made.golden_case("flag", mixed_inputs(), source={"not": ~right["not"]})
    told = [
        {"name": "first", "passed": True},
        {
            "name": "flag",
            "passed": False,
            "outputs": [
                {"name": "sum", "passed": True},
                {"name": "not", "passed": False},
                {"name": "same", "passed": True},
                {"name": "picked", "passed": True},
            ],
        },
    ]
    return Case(
        [open_(), call("self_test", {"ok": True, "passed": False, "cases": told})], bundle=made.seal()
    )


@valid("section 7")
def self_test_does_not_judge_the_source() -> Case:
    """The variant answers as recorded; what the source model answered is only told."""
    made = plain()
    right = made.compute
    made.compute = lambda inputs: {"y": right(inputs)["y"] + np.float32(100)}
    made.golden_case("first", ROWS, source=right(ROWS))
    return Case([open_(), self_test()], bundle=made.seal())


@valid("section 7")
def self_test_of_another_shape() -> Case:
    """A recording of one row, where the model answers two, does not hold, however wide the tolerance."""
    made = plain()
    made.tree["variants"][0]["tolerances"] = [{"word": "absolute", "bound": bits(1000)}]
    made.golden_case("first", ROWS, source={"y": made.compute(ROWS)["y"][:1]})
    expect = {"ok": True, "passed": False, "cases": [{"name": "first", "passed": False}]}
    return Case([open_(), call("self_test", expect)], bundle=made.seal())


@valid("section 7")
def self_test_of_integers() -> Case:
    """Integers may differ by whole quanta, without the bound of `close`."""
    made = build(
        [given("x", "uint8", [2])],
        [answer("y", "uint8", [2])],
        [node("Identity", "x", "y")],
        lambda inputs: {"y": inputs["x"]},
    )
    made.tree["variants"][0]["tolerances"] = [{"word": "quantized", "quanta": 2, "step": bits(1)}]
    told = []
    for name, recorded_value, passed in (("below", 253, True), ("wrapped", 1, False)):
        made.golden_case(
            name, {"x": np.array([255, 0], np.uint8)}, source={"y": np.array([recorded_value, 0], np.uint8)}
        )
        told.append({"name": name, "passed": passed})
    expect = {"ok": True, "passed": False, "cases": told}
    return Case([open_(), call("self_test", expect)], bundle=made.seal())


def needed_only() -> Bundle:
    """Two outputs and two variants; the file lacks what is not needed to test the default one."""
    made = build(
        [given("x", "float32", ["n"])],
        [answer("y", "float32", ["n"]), answer("z", "float32", ["n"])],
        [node("Neg", "x", "y"), node("Abs", "x", "z")],
        lambda inputs: {"y": -inputs["x"], "z": np.abs(inputs["x"])},
    )
    made.tree["variants"].append(variant("int8", {"onnx": MODEL}, 2, rank=1))
    inputs = {"x": grid(4)}
    right = made.compute(inputs)
    half = {"z": right["z"]}
    made.golden_case("first", inputs)
    made.files[GOLDEN] = golden(inputs, half, {"source": right, "int8": half})
    return made.seal()


@valid("section 7")
def golden_with_what_is_needed() -> Case:
    """Outputs of the source, and recordings of another variant, may be there in part."""
    return Case([open_(), self_test()], bundle=needed_only())


@invalid("section 7")
def golden_with_half_a_recording() -> Case:
    """The same file lacks a recorded output of this variant."""
    request = call("self_test", fail("golden_malformed", GOLDEN))
    return Case([open_({"variant": "int8"}), request], bundle="golden_with_what_is_needed")


def _case_of(rows: np.ndarray) -> Bundle:
    made = plain()
    made.golden_case("first", {"x": rows})
    return made.seal()


@invalid("section 7", "C6")
def golden_input_of_another_size() -> Case:
    """Sizes are judged by the call, which answers as any other does."""
    made = _case_of(grid(2, 4))
    return Case([open_(), call("self_test", fail("input_shape_mismatch", "x"))], bundle=made)


@invalid("section 7", "C10")
def golden_input_that_is_not_finite() -> Case:
    """And so are values."""
    made = _case_of(np.array([[1, np.nan, 2]], np.float32))
    return Case([open_(), call("self_test", fail("input_not_finite", "x"))], bundle=made)


@invalid("section 7")
def golden_cases_in_manifest_order() -> Case:
    """The second file is no golden file, and the first case cannot be predicted: the first decides."""
    made = _case_of(grid(2, 4))
    made.golden_case("second", ROWS)
    made.files["golden/second.safetensors"] = b""
    return Case([open_(), call("self_test", fail("input_shape_mismatch", "x"))], bundle=made.seal())
