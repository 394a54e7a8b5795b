import pytest

from bundle.manifest import Manifest
from tests.contract import example
from tests.contract.example import GOLDEN, MODEL, changed, refusal

SHA256 = "0" * 64
ORT = "models/source.ort"


def listed(*paths: str):
    """A change: the listed files, in this order, and nothing else."""
    return "/files", [{"path": path, "sha256": SHA256, "size": 200} for path in paths]


SECOND = {**example.tree()["variants"][0], "name": "int8"}
INPUT = {"dtype": "int32", "finite": False, "name": "x", "shape": [1]}
UNSAFE = {
    "one component": "models",
    "empty": "",
    "other folder": "notes/a",
    "upper case folder": "Models/a",
    "absolute": "/models/a",
    "upwards": "models/../a",
    "here": "models/./a",
    "empty component": "models//a",
    "slash at the end": "models/a/",
    "backslash": "models\\a",
    "drive": "C:/a",
    "hidden": "models/.a",
    "dash first": "models/-a",
    "dot last": "models/a.",
    "blank": "models/a b",
    "letter beyond ASCII": "models/é",
    "newline last": "models/a\n",
    "long component": "models/" + "a" * 256,
    "long path": "models/" + "/".join(["a" * 200] * 6),
}
FAULTS = {
    "M5 unknown key": ([("/colour", 1)], "manifest_field_unknown", "/colour"),
    "M5 before M6": ([("/features", ["x"]), ("/colour", 1)], "manifest_field_unknown", "/colour"),
    "M6 feature": ([("/features", ["components"])], "feature_unsupported", "/features/0"),
    "M6 components": ([("/components", [{"a": []}])], "feature_unsupported", "/components"),
    "M6 features first": (
        [("/components", [{}]), ("/features", ["b"])],
        "feature_unsupported",
        "/features/0",
    ),
    "M6 before M7": ([("/features", ["a"]), listed("a")], "feature_unsupported", "/features/0"),
    "M7 all before M8": ([listed("models/b", "models/a", "a")], "path_unsafe", "/files/2/path"),
    "M8 order": ([listed("models/b", "models/a")], "manifest_field_value", "/files/1/path"),
    "M8 twice": ([listed(MODEL, MODEL)], "manifest_field_value", "/files/1/path"),
    "M9 case of a name": ([listed("models/A", "models/a")], "path_conflict", "/files/1/path"),
    "M9 case of a folder": ([listed("lib/A/x", "lib/a/y")], "path_conflict", "/files/1/path"),
    "M9 folder and file": ([listed("models/a", "models/a/b")], "path_conflict", "/files/1/path"),
    "M9 folder and later file": ([listed("lib/A/x", "lib/a")], "path_conflict", "/files/1/path"),
    "M9 case of a file and a folder": ([listed("lib/A", "lib/a/x")], "path_conflict", "/files/1/path"),
    "M9 before M10": ([listed("lib/A", "lib/a"), ("/inputs/-", INPUT)], "path_conflict", "/files/1/path"),
    "M10 golden name": (
        [("/golden/-", {"name": "first", "path": GOLDEN, "synthetic": False})],
        "name_duplicate",
        "/golden/1/name",
    ),
    "M10 golden path": (
        [("/golden/-", {"name": "second", "path": GOLDEN, "synthetic": False})],
        "name_duplicate",
        "/golden/1/path",
    ),
    "M10 input": ([("/inputs/-", INPUT)], "name_duplicate", "/inputs/2/name"),
    "M10 part of a string": (
        [("/inputs/-", INPUT | {"name": "words.utf8"})],
        "name_duplicate",
        "/inputs/2/name",
    ),
    "M10 output": ([("/outputs/-", example.tree()["outputs"][0])], "name_duplicate", "/outputs/1/name"),
    "M10 state input": ([("/states/-", {"input": "x", "output": "z"})], "name_duplicate", "/states/1/input"),
    "M10 state output": (
        [("/states/-", {"input": "z", "output": "y"})],
        "name_duplicate",
        "/states/1/output",
    ),
    "M10 variant": ([("/variants/-", example.tree()["variants"][0])], "name_duplicate", "/variants/1/name"),
    "M10 before M11": (
        [("/variants/-", example.tree()["variants"][0]), ("/inputs/1/shape", [])],
        "name_duplicate",
        "/variants/1/name",
    ),
    "M11 string": ([("/inputs/1/shape", [])], "tensor_unsupported", "/inputs/1"),
    "M11 float16": (
        [("/outputs/0/dtype", "float16"), ("/outputs/0/shape", [])],
        "tensor_unsupported",
        "/outputs/0",
    ),
    "M11 before M12": (
        [("/inputs/1/shape", []), ("/target/arch", "sparc")],
        "tensor_unsupported",
        "/inputs/1",
    ),
    "M12 arch": ([("/target/arch", "amd64")], "target_unknown", "/target/arch"),
    "M12 cpu_class": ([("/target/cpu_class", "v8.0")], "target_unknown", "/target/cpu_class"),
    "M12 os": ([("/target/os", "any")], "target_unknown", "/target/os"),
    "M12 variant": ([("/variants/0/cpu_class", "x")], "target_unknown", "/variants/0/cpu_class"),
    "M12 before M13": (
        [("/variants/0/cpu_class", "x"), ("/batch/symbol", "n")],
        "target_unknown",
        "/variants/0/cpu_class",
    ),
    "M13 symbol": ([("/batch/symbol", "n")], "reference_unknown", "/batch/symbol"),
    "M13 symbol of outputs only": (
        [("/batch/symbol", "n"), ("/outputs/0/shape", ["n"])],
        "reference_unknown",
        "/batch/symbol",
    ),
    "M13 default": ([("/default_variant", "int8")], "reference_unknown", "/default_variant"),
    "M13 golden": ([listed(MODEL)], "reference_unknown", "/golden/0/path"),
    "M13 library": ([("/runtime/library", "lib/x.so")], "reference_unknown", "/runtime/library"),
    "M13 state input": ([("/states/0/input", "y")], "reference_unknown", "/states/0/input"),
    "M13 state output": ([("/states/0/output", "x")], "reference_unknown", "/states/0/output"),
    "M13 all state inputs first": (
        [("/states/0/output", "?"), ("/states/-", {"input": "?", "output": "y"})],
        "reference_unknown",
        "/states/1/input",
    ),
    "M13 task": ([("/tasks/0/output", "x")], "reference_unknown", "/tasks/0/output"),
    "M13 onnx": (
        [("/variants/0/files/onnx", "models/a.onnx")],
        "reference_unknown",
        "/variants/0/files/onnx",
    ),
    "M13 ort": ([("/variants/0/files/ort", ORT)], "reference_unknown", "/variants/0/files/ort"),
    "M13 before M14": (
        [("/variants/0/bytes", 1), ("/variants/0/files/ort", ORT)],
        "reference_unknown",
        "/variants/0/files/ort",
    ),
    "M14 fixed size": ([("/batch", {"size": 2})], "manifest_inconsistent", "/batch/size"),
    "M14 golden folder": (
        [("/golden/0/path", MODEL)],
        "manifest_inconsistent",
        "/golden/0/path",
    ),
    "M14 library folder": ([("/runtime/library", MODEL)], "manifest_inconsistent", "/runtime/library"),
    "M14 bytes": ([("/variants/0/bytes", 201)], "manifest_inconsistent", "/variants/0/bytes"),
    "M14 model folder": (
        [("/variants/0/files/onnx", GOLDEN), ("/files/0/size", 200)],
        "manifest_inconsistent",
        "/variants/0/files/onnx",
    ),
    "M14 ending": (
        [("/variants/0/files", {"ort": MODEL})],
        "manifest_inconsistent",
        "/variants/0/files/ort",
    ),
    "M14 ort for any": (
        [
            ("/target", {"arch": "any", "cpu_class": "generic", "os": "any"}),
            listed(GOLDEN, ORT),
            ("/variants/0/files", {"ort": ORT}),
        ],
        "manifest_inconsistent",
        "/variants/0/files/ort",
    ),
    "M14 tolerances": (
        [("/variants/0/tolerances", [])],
        "manifest_inconsistent",
        "/variants/0/tolerances",
    ),
    "M14 parameter missing": (
        [("/variants/0/tolerances/0", {"word": "quantized", "quanta": 1})],
        "manifest_inconsistent",
        "/variants/0/tolerances/0",
    ),
    "M14 parameter too many": (
        [("/variants/0/tolerances/0/word", "close")],
        "manifest_inconsistent",
        "/variants/0/tolerances/0",
    ),
    "M14 second variant": (
        [("/variants/-", SECOND | {"bytes": 1})],
        "manifest_inconsistent",
        "/variants/1/bytes",
    ),
}


@pytest.mark.parametrize("case", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found_where_it_is(case) -> None:
    changes, code, subject = case
    assert refusal(Manifest.encode(changed(*changes))) == (code, subject)


@pytest.mark.parametrize("path", UNSAFE.values(), ids=UNSAFE)
def test_a_path_that_could_mean_another_file_is_unsafe(path: str) -> None:
    code, subject = refusal(Manifest.encode(changed(("/files/1/path", path))))
    if any(ord(character) < 0x20 for character in path):  # no text of the schema
        assert (code, subject) == ("manifest_field_value", "/files/1/path")
    else:
        assert (code, subject) == ("path_unsafe", "/files/1/path")


@pytest.mark.parametrize(
    "path", ["models/" + "a" * 255, "models/_", "models/0", "lib/a-b_c.so.1", "lib/" + "a/" * 509 + "bb"]
)
def test_a_plain_path_is_accepted(path: str) -> None:
    files = sorted([(path, 1), (MODEL, 200), (GOLDEN, 200)])
    entries = [{"path": name, "sha256": SHA256, "size": size} for name, size in files]
    assert Manifest.parse(Manifest.encode(changed(("/files", entries)))).file(path).size == 1


def test_many_deep_paths_are_judged_without_much_memory() -> None:
    folder = "lib/" + "a/" * 500
    paths = [f"{folder}{index:04}" for index in range(900)]
    assert refusal(Manifest.encode(changed(listed(*paths))))[0] == "reference_unknown"
