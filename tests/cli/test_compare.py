"""The command `compare`: bundles and model files, equal ones and others."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from bundle.__main__ import main
from bundle.bundle import Bundle
from bundle.cli import exits
from bundle.golden import load_case
from bundle.library import host_arch
from tests.build import make_models as make

Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(scope="module")
def digits_bundle(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits example, built for this machine."""
    return build_digits(root / "examples" / "digits" / "digits.onnx", tmp_path_factory.mktemp("built"))


def build_digits(model: Path, output: Path) -> Path:
    golden = Path(__file__).parents[2] / "examples" / "digits" / "golden.npz"
    flags = ["--target", host_arch(), "--golden", str(golden), "--output", str(output), "--name", "digits"]
    assert main(["build", str(model), *flags]) == exits.OK
    [folder] = output.iterdir()
    return folder


def perturbed(model: Path, target: Path, scale: float) -> Path:
    """Write the model with noise on its last matrix."""
    message = onnx.load(model)
    tensor = [each for each in message.graph.initializer if len(each.dims) == 2][-1]
    weights = numpy_helper.to_array(tensor)
    noise = np.random.Generator(np.random.PCG64(7)).standard_normal(weights.shape, dtype=np.float32)
    tensor.CopyFrom(numpy_helper.from_array(weights + np.float32(scale) * noise, tensor.name))
    onnx.save(message, target)
    return target


def answer(tree: dict[str, Any], name: str) -> dict[str, Any]:
    [row] = [row for row in tree["answers"]["outputs"] if row["name"] == name]
    return row


def test_a_bundle_equals_its_rebuilt_copy(
    digits_bundle: Path, digits: Path, tmp_path: Path, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    again = build_digits(digits, tmp_path / "again")
    status, tree = ask("compare", digits_bundle, again)
    assert (status, tree["ok"], tree["equal"], tree["differences"]) == (exits.OK, True, True, [])
    row = answer(tree, "probabilities")
    assert (row["worst"], row["flips"], row["near_ties"], row["close"]) == ("0", 0, 0, True)
    assert row["decisions"] == tree["answers"]["cases"] > 1
    assert main(["compare", str(digits_bundle), str(again)]) == exits.OK
    shown = capsys.readouterr().out
    assert shown.endswith("\nequal\n")
    assert f"a: {digits_bundle}\nb: {again}\n" in shown


def test_flips_against_a_perturbed_model_are_counted(
    digits_bundle: Path, digits: Path, tmp_path: Path, ask: Ask
) -> None:
    other = perturbed(digits, tmp_path / "other.onnx", 1.0)
    status, tree = ask("compare", digits_bundle, other)
    assert status == exits.NO
    assert {"model_digest", "answers"} <= set(tree["differences"])
    assert tree["inputs"]["same"] and tree["outputs"]["same"]
    row = answer(tree, "probabilities")
    # The same count by hand, without this package's sessions.
    bundle = Bundle.open(digits_bundle)
    sessions = [onnxruntime.InferenceSession(path) for path in (digits, other)]
    cases = [load_case(bundle, file, "source").inputs for file in bundle.manifest.golden]
    pairs = [[session.run(None, case)[0] for session in sessions] for case in cases]
    flips = sum(int((one.argmax(-1) != two.argmax(-1)).sum()) for one, two in pairs)
    assert row["flips"] + row["near_ties"] == flips > 0
    worst = max(float(np.abs(one - two).max()) for one, two in pairs)
    assert float(row["worst"]) == pytest.approx(worst, abs=1e-5)
    assert not row["close"]


def test_a_retrained_bundle_differs_in_identity_and_answers(
    digits_bundle: Path, digits: Path, tmp_path: Path, ask: Ask
) -> None:
    other = build_digits(perturbed(digits, tmp_path / "other.onnx", 0.01), tmp_path / "other")
    status, tree = ask("compare", digits_bundle, other)
    assert status == exits.NO
    assert {"identity", "model_digest", "answers"} <= set(tree["differences"])
    assert not {"inputs", "outputs", "operators", "target", "opset"} & set(tree["differences"])


def test_onnx_and_ort_of_one_variant(digits_bundle: Path, ask: Ask) -> None:
    formats = ["--format-a", "onnx", "--format-b", "ort"]
    status, tree = ask("compare", digits_bundle, digits_bundle, *formats)
    assert status == exits.NO
    assert "identity" not in tree["differences"] and "format" in tree["differences"]
    assert answer(tree, "probabilities")["close"] and answer(tree, "probabilities")["flips"] == 0
    # Freezing fuses a Relu into each convolution.
    assert tree["operators"]["com.microsoft:FusedConv"][0] == 0 < tree["operators"]["Relu"][0]
    assert tree["a"]["facts"]["format"] == "onnx" and tree["b"]["facts"]["format"] == "ort"


def test_plain_files_of_one_variant_on_given_inputs(
    digits_bundle: Path, root: Path, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [digits_bundle / "models" / f"source.{ending}" for ending in ("onnx", "ort")]
    status, tree = ask("compare", *files)
    assert status == exits.NO
    assert "no file of inputs was given" in tree["answers"]["unknown"]
    golden = root / "examples" / "digits" / "golden.npz"
    _, tree = ask("compare", *files, "--input", golden)
    row = answer(tree, "probabilities")
    assert row["close"] and row["decisions"] == 0
    assert tree["answers"]["cases"] == len(np.load(golden)["inputs/image"])
    assert main(["compare", *map(str, files), "--input", str(golden)]) == exits.NO
    shown = capsys.readouterr().out
    assert "operators: different" in shown and "they differ in: format, model bytes" in shown


def test_a_file_equals_itself(digits: Path, root: Path, ask: Ask) -> None:
    status, tree = ask("compare", digits, digits, "--input", root / "examples" / "digits" / "golden.npz")
    assert (status, tree["differences"]) == (exits.OK, [])
    assert tree["variants"] is None and tree["a"]["kind"] == "file"


def test_models_of_other_shapes_are_compared_without_answers(
    tmp_path: Path, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = make.save(make.cnn(), tmp_path, "cnn.onnx"), make.save(make.two_inputs(), tmp_path, "two.onnx")
    status, tree = ask("compare", one, two)
    assert status == exits.NO
    assert [port["name"] for port in tree["inputs"]["removed"]] == ["image"]
    assert [port["name"] for port in tree["inputs"]["added"]] == ["a", "b"]
    assert tree["operators"]["Conv"] == [3, 0] and tree["operators"]["Add"] == [0, 1]
    assert tree["answers"]["unknown"] == "they do not take the same inputs: only one has `a`, `b`, `image`"
    assert main(["compare", str(one), str(two)]) == exits.NO
    shown = capsys.readouterr().out
    assert "inputs: different\n  only in a  image  float32  [batch, 1, H, W]\n" in shown
    assert "answers: not compared: they do not take the same inputs" in shown


def test_a_fixed_batch_is_a_change_and_is_answered_where_it_fits(tmp_path: Path, ask: Ask) -> None:
    free, fixed = make.save(make.mlp(), tmp_path, "free.onnx"), make.save(make.mlp(1), tmp_path, "fixed.onnx")
    single, double = tmp_path / "single.npz", tmp_path / "double.npz"
    np.savez(single, x=make.weights(1, 8))
    np.savez(double, x=make.weights(2, 8))
    status, tree = ask("compare", free, fixed, "--input", single)
    assert status == exits.NO
    [change] = tree["inputs"]["changed"]
    assert (change["a"]["shape"], change["b"]["shape"]) == (["batch", 8], [1, 8])
    assert answer(tree, "probabilities")["worst"] == "0" and "answers" not in tree["differences"]
    _, tree = ask("compare", free, fixed, "--input", double)
    assert list(tree["answers"]["refused"]) == ["given"]
    assert tree["answers"]["refused"]["given"].startswith("b: runtime_failure")
    assert "answers" in tree["differences"]
    _, tree = ask("compare", fixed, fixed, "--input", double)
    assert tree["answers"]["unknown"].startswith("both refuse every case: runtime_failure")


def test_an_output_of_another_type_is_told(tmp_path: Path, ask: Ask) -> None:
    one, two = make.double(), make.double()
    cast = onnx.helper.make_node("Cast", ["y64"], ["y"], to=make.FLOAT)
    two.graph.node[0].output[0] = "y64"
    two.graph.node.append(cast)
    two.graph.output[0].type.tensor_type.elem_type = make.FLOAT
    files = [make.save(one, tmp_path, "one.onnx"), make.save(two, tmp_path, "two.onnx")]
    inputs = tmp_path / "x.npz"
    np.savez(inputs, x=np.ones((2, 3)))
    _, tree = ask("compare", *files, "--input", inputs)
    assert tree["outputs"]["changed"][0]["name"] == "y"
    row = answer(tree, "y")
    assert (row["worst"], row["mismatch"]) == ("inf", "dtype float32 instead of float64")


def test_other_weights_in_a_file_beside_the_model(tmp_path: Path, ask: Ask) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        make.external_data(tmp_path / name)
    models = [tmp_path / name / "model.onnx" for name in ("one", "two")]
    assert ask("compare", *models)[1]["equal"]
    data = tmp_path / "two" / "weights.bin"
    data.write_bytes(bytes(4) + data.read_bytes()[4:])
    assert models[0].read_bytes() == models[1].read_bytes()
    status, tree = ask("compare", *models)
    assert (status, tree["differences"]) == (exits.NO, ["model_digest"])


def test_strings_and_labels_are_compared(tmp_path: Path, ask: Ask) -> None:
    one, two = make.strings(), make.strings()
    [keys] = [each for each in two.graph.node[1].attribute if each.name == "keys_strings"]
    keys.strings[:] = [b"yes", b"no"]
    files = [make.save(one, tmp_path, "one.onnx"), make.save(two, tmp_path, "two.onnx")]
    inputs = tmp_path / "x.json"
    inputs.write_text('{"words": ["yes", "maybe"]}')
    _, tree = ask("compare", *files, "--input", inputs)
    assert answer(tree, "same")["worst"] == "0"
    assert answer(tree, "number")["worst"] == "1"


def test_two_variants_of_one_bundle(vector, ask: Ask) -> None:
    folder = vector("default_variant_is_not_the_first")
    first, second = [variant.name for variant in Bundle.open(folder).manifest.variants][:2]
    status, tree = ask("compare", folder, folder, "--variant-a", first, "--variant-b", second)
    assert status == exits.NO
    assert "variant" in tree["differences"] and "identity" not in tree["differences"]
    assert (tree["a"]["facts"]["variant"], tree["b"]["facts"]["variant"]) == (first, second)
    assert answer(tree, "y")["worst"] == "0"


def test_what_cannot_run_here_is_compared_without_answers(
    vector, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = vector("ort_file_preferred")
    monkeypatch.setattr("bundle.fit.host_arch", lambda: "riscv64")
    flags = ["--format-a", "ort", "--format-b", "ort"]
    status, tree = ask("compare", folder, folder, *flags)
    assert (status, tree["equal"]) == (exits.OK, True)
    assert tree["answers"]["unknown"].startswith("target_mismatch: ")
    _, tree = ask("compare", folder, folder, *flags, "--option", "allow_foreign_target=true")
    assert answer(tree, "y")["worst"] == "0"


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (["BUNDLE", "missing"], exits.NO, "bundle_not_found"),
        (["BUNDLE", "missing.onnx"], exits.NO, "model_unreadable"),
        (["BUNDLE", "missing.ort"], exits.NO, "input_file_unreadable"),
        (["BUNDLE", "BUNDLE", "--variant-a", "int4"], exits.NO, "variant_unknown"),
        (["BUNDLE", "BUNDLE", "--format-b", "ort"], exits.NO, "format_unavailable"),
        (["BUNDLE", "BUNDLE", "--option", "colour=red"], exits.NO, "option_invalid"),
        (["BUNDLE", "BUNDLE", "--input", "missing.npz"], exits.NO, "input_file_unreadable"),
        (["BUNDLE", "MODEL", "--variant-b", "source"], exits.USAGE, "usage_invalid"),
        (["MODEL", "MODEL", "--option", "cpu_arena=true"], exits.USAGE, "usage_invalid"),
        (["BUNDLE"], exits.USAGE, "usage_invalid"),
    ],
)
def test_what_is_refused(
    arguments: list[str], status: int, code: str, vector, digits: Path, tmp_path: Path, ask: Ask
) -> None:
    places = {"BUNDLE": vector("self_test_passes"), "MODEL": digits}
    given = [places.get(word, tmp_path / word if "missing" in word else word) for word in arguments]
    found, tree = ask("compare", *given)
    assert (found, tree["error"]["code"]) == (status, code)


def test_a_damaged_bundle_is_an_error_and_no_difference(vector, tmp_path: Path, ask: Ask) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(vector("self_test_passes"), copy)
    (copy / "models" / "source.onnx").unlink()
    status, tree = ask("compare", vector("self_test_passes"), copy)
    assert (status, tree["error"]["code"]) == (exits.NO, "file_missing")


def test_without_the_onnx_library_all_but_the_operators_is_compared(vector, digits: Path) -> None:
    program = (
        "import sys\nsys.modules.update(dict.fromkeys(['onnx', 'google', 'rich', 'onnxslim']))\n"
        "from bundle.__main__ import main\nsys.exit(main(sys.argv[1:]))\n"
    )
    folder = str(vector("self_test_passes"))
    for pair in ((folder, folder), (str(digits), str(digits))):
        done = subprocess.run(
            [sys.executable, "-c", program, "compare", *pair], capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (exits.OK, "")
        assert "operators: not known: extra_missing" in done.stdout
        assert "inputs: the same" in done.stdout
