"""Models of several shapes that predict as the reference does."""

import numpy as np

from tests.vectors.case import Case, open_, predict, self_test, valid
from tests.vectors.kit import Bundle, answer, build, given, grid
from tests.vectors.model import node, wide_node
from tests.vectors.tensor import Tensors


@valid("P6")
def matrix_product() -> Case:
    """Three symbols on two axes each; small whole numbers are exact in any order of summation."""
    made = build(
        [given("a", "float32", ["rows", "inner"]), given("b", "float32", ["inner", "columns"])],
        [answer("product", "float32", ["rows", "columns"]), answer("turned", "float32", ["inner", "rows"])],
        [node("MatMul", "a b", "product"), node("Transpose", "a", "turned", perm=[1, 0])],
        lambda inputs: {"product": inputs["a"] @ inputs["b"], "turned": inputs["a"].T},
    )
    sizes = ((2, 3, 4), (1, 1, 1), (5, 7, 1))
    pairs = [{"a": grid(rows, inner), "b": grid(inner, columns)} for rows, inner, columns in sizes]
    return Case([open_(), *(predict(made, one) for one in pairs)], bundle=made.seal())


@valid("P6")
def small_convolution() -> Case:
    """A convolution, Relu and pooling of whole numbers."""
    kernel = np.array([[[[1, 0], [0, -1]]]], np.float32)

    def compute(inputs: Tensors) -> Tensors:
        image = inputs["image"]
        sums = np.maximum(image[:, :, :-1, :-1] - image[:, :, 1:, 1:], 0)
        pooled = sums.reshape(len(image), 1, 2, 2, 2, 2).max((3, 5))
        return {"pooled": pooled}

    made = build(
        [given("image", "float32", ["batch", 1, 5, 5])],
        [answer("pooled", "float32", ["batch", 1, 2, 2])],
        [
            node("Conv", "image kernel", "sums", kernel_shape=[2, 2]),
            node("Relu", "sums", "positive"),
            node("MaxPool", "positive", "pooled", kernel_shape=[2, 2], strides=[2, 2]),
        ],
        compute,
        {"kernel": kernel},
    )
    image = (np.arange(50) * 7 % 13).reshape(2, 1, 5, 5).astype(np.float32)
    made.golden_case("first", {"image": image})
    return Case([open_(), predict(made, {"image": image}), self_test()], bundle=made.seal())


@valid("P6")
def rank_zero() -> Case:
    """Tensors without an axis."""
    made = build(
        [given("x", "float32", []), given("n", "int64", [])],
        [answer("y", "float32", []), answer("m", "int64", [])],
        [node("Neg", "x", "y"), node("Add", "n n", "m")],
        lambda inputs: {"y": -inputs["x"], "m": inputs["n"] + inputs["n"]},
    )
    inputs = {"x": np.array(3, np.float32), "n": np.array(-(2**40))}
    made.golden_case("first", inputs)
    return Case([open_(), predict(made, inputs), self_test()], bundle=made.seal())


@valid("C6", "C7")
def zero_sizes() -> Case:
    """A fixed size may be 0; a tensor without elements has data all the same: none."""
    made = build(
        [given("x", "float32", [0, 3])],
        [answer("none", "float32", [0, 3]), answer("two", "float32", [2, 3])],
        [node("Identity", "x", "none"), node("Concat", "x rows", "two", axis=0)],
        lambda inputs: {"none": inputs["x"], "two": np.concatenate([inputs["x"], grid(2, 3)])},
        {"rows": grid(2, 3)},
    )
    made.golden_case("first", {"x": grid(0, 3)})
    return Case([open_(), predict(made, {"x": grid(0, 3)}), self_test()], bundle=made.seal())


@valid("C8")
def square() -> Case:
    """One symbol on both axes of an input."""
    made = build(
        [given("x", "float32", ["n", "n"])],
        [answer("y", "float32", ["n", "n"])],
        [node("Transpose", "x", "y", perm=[1, 0])],
        lambda inputs: {"y": inputs["x"].T},
    )
    return Case([open_(), predict(made, {"x": grid(3, 3)})], bundle=made.seal())


@valid("P6")
def no_inputs() -> Case:
    """A model that answers a constant."""
    made = build(
        [],
        [answer("y", "float32", [2])],
        [node("Identity", "c", "y")],
        lambda inputs: {"y": grid(2)},
        {"c": grid(2)},
    )
    return Case([open_(), predict(made, {})], bundle=made.seal())


@valid("P6")
def initializer_that_is_a_graph_input() -> Case:
    """A weight with a default value among the graph's inputs is no input of the session."""
    made = build(
        [given("x", "float32", [3]), given("w", "float32", [3])],
        [answer("y", "float32", [3])],
        [node("Add", "x w", "y")],
        lambda inputs: {"y": inputs["x"] + grid(3)},
        {"w": grid(3)},
    )
    made.tree["inputs"].pop()
    return Case([open_(), predict(made, {"x": grid(3)})], bundle=made.seal())


def named() -> Bundle:
    """Names with slashes, colons, blanks and letters of three alphabets."""
    one, two, out = "serving/größe:0", "🙂 \u00a0", "état/сумма"
    return build(
        [given(one, "float32", ["lot/größe", 2]), given(two, "float32", ["lot/größe", 2])],
        [answer(out, "float32", ["lot/größe", 2])],
        [wide_node("Add", [one, two], [out])],
        lambda inputs: {out: inputs[one] + inputs[two]},
    )


@valid("M5", "C2")
def names_of_every_kind() -> Case:
    """Names are text: slashes, colons, blanks, and letters outside ASCII and the first 65,536."""
    made = named()
    one, two = (tree["name"] for tree in made.tree["inputs"])
    inputs = {one: grid(2, 2), two: grid(2, 2, start=7)}
    made.tree["batch"] = {"symbol": "lot/größe"}
    made.golden_case("first", inputs)
    batch = predict(made, inputs, "predict_batch", batch_size=1)
    return Case([open_(), predict(made, inputs), batch, self_test()], bundle=made.seal())


def wide_names() -> Bundle:
    """Two inputs whose names UTF-8 and UTF-16 sort differently, and one case."""
    names = ("\uff21", "\U0001f600")
    made = build(
        [given(name, "float32", [2]) for name in names],
        [answer("y", "float32", [2])],
        [wide_node("Sub", list(names), ["y"])],
        lambda inputs: {"y": inputs[names[0]] - inputs[names[1]]},
    )
    made.golden_case("first", {names[0]: grid(2), names[1]: grid(2, start=9)})
    return made.seal()


@valid("section 7")
def golden_keys_in_order_of_utf_8() -> Case:
    """U+FF21 comes before U+1F600 in UTF-8, and after it in UTF-16: the golden header is sorted by UTF-8."""
    return Case([open_(), self_test()], bundle=wide_names())


def _sums(inputs: Tensors) -> Tensors:
    rows = inputs["x"]
    return {"sum": rows.sum(1), "top": rows.max(1), "mean": rows.mean(0)}


@valid("C11")
def odd_rows_at_unaligned_addresses() -> Case:
    """Sums over rows of seven; whatever the address of the input, the answer is that of the reference."""
    made = build(
        [given("x", "float32", [8, 7])],
        [answer("sum", "float32", [8]), answer("top", "float32", [8]), answer("mean", "float32", [7])],
        [
            node("ReduceSum", "x last", "sum", keepdims=0),
            node("ReduceMax", "x last", "top", keepdims=0),
            node("ReduceMean", "x first", "mean", keepdims=0),
        ],
        _sums,
        {"first": np.array([0]), "last": np.array([1])},
    )
    rows = (np.arange(56) * 37 % 101 - 50).reshape(8, 7).astype(np.float32) / 8
    steps = [predict(made, {"x": rows}, offset=offset) for offset in (0, 1, 4, 8, 12)]
    return Case([open_(), *steps], bundle=made.seal())


def minus_its_copy() -> Bundle:
    """The sum of each row minus the sum of a copy that ONNX Runtime allocates, so at an aligned address.

    Sums of fractions depend on the order of summation, and that on the address: the differences are 0 only
    where the input was aligned too. With optimization the copy would be left out.
    """
    return build(
        [given("x", "float32", ["batch", 33])],
        [answer("difference", "float32", ["batch"])],
        [
            node("Mul", "x one", "copy"),
            node("ReduceSum", "x last", "sum", keepdims=0),
            node("ReduceSum", "copy last", "sum_of_copy", keepdims=0),
            node("Sub", "sum sum_of_copy", "difference"),
        ],
        lambda inputs: {"difference": np.zeros(len(inputs["x"]), np.float32)},
        {"one": np.array(1, np.float32), "last": np.array([1])},
    )


def sevenths(rows: int) -> np.ndarray:
    """Rows of 33 fractions whose sum depends on the order of summation."""
    count = np.arange(rows * 33)
    return ((count * 37 % 101 - 40).astype(np.float32) / np.float32(7)).reshape(rows, 33)


@valid("C11")
def same_bits_at_every_address() -> Case:
    """The model answers 0 only where its input is at an aligned address, so others must be copied."""
    made, inputs = minus_its_copy(), {"x": sevenths(3)}
    steps = [predict(made, inputs, offset=offset) for offset in (0, 1, 4, 8, 12, 15)]
    return Case([open_({"graph_optimization_level": "disabled"}), *steps], bundle=made.seal())


@valid("B3", "C11")
def same_bits_in_every_piece() -> Case:
    """Rows of 132 bytes: pieces of one row begin at every multiple of 4, and each must be aligned."""
    made, inputs = minus_its_copy(), {"x": sevenths(9)}
    made.tree["batch"] = {"symbol": "batch"}
    steps = [predict(made, inputs, "predict_batch", batch_size=size) for size in (1, 2, 3)]
    return Case([open_({"graph_optimization_level": "disabled"}), *steps], bundle=made.seal())
