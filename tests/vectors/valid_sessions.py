"""Session options in effect: the caller's, then the manifest's, then those of session.json.

A number of threads is lowered to the CPU quota of the process, so that only 1 is the same on every machine.
"""

from tests.vectors.bases import scale
from tests.vectors.case import Case, open_, predict, valid
from tests.vectors.kit import Bundle, grid
from tests.vectors.valid_ort import FOREIGN, scale_with_ort

DEFAULTS = {
    "allow_spinning": False,
    "cpu_arena": False,
    "graph_optimization_level": "all",
    "inter_op_threads": 1,
    "intra_op_threads": 1,
    "mapped": False,
    "memory_pattern": True,
}
OTHERS = {
    "allow_spinning": True,
    "cpu_arena": True,
    "graph_optimization_level": "basic",
    "memory_pattern": False,
}


def _steps(made: Bundle, *steps: tuple[dict, dict]) -> Case:
    """Open again and again; each step is options, and what is in effect apart from the table's defaults."""
    opened = [open_(options, {"session": DEFAULTS | effect}) for options, effect in steps]
    return Case([*opened, predict(made, {"x": grid(2, 3)})], bundle=made)


@valid("P1", "section 5")
def session_of_the_table() -> Case:
    """Nobody says anything: what session.json says is in effect."""
    return _steps(scale(), ({}, {}))


@valid("P1", "section 5")
def session_of_the_caller() -> Case:
    """Each option by itself, and all of them."""
    one_by_one = [({name: value}, {name: value}) for name, value in OTHERS.items()]
    levels = [{"graph_optimization_level": level} for level in ("disabled", "extended", "all")]
    return _steps(scale(), *one_by_one, *((level, level) for level in levels), (OTHERS, OTHERS))


@valid("P1", "section 5")
def session_of_the_manifest_in_effect() -> Case:
    """The manifest's session decides where the caller says nothing, and the caller where it does."""
    made = scale()
    made.tree["session"] = dict(OTHERS)
    back = {name: DEFAULTS[name] for name in OTHERS}
    one_by_one = [({name: value}, OTHERS | {name: value}) for name, value in back.items()]
    return _steps(made, ({}, OTHERS), *one_by_one, (back, back))


@valid("P1", "section 5")
def session_of_one_thread() -> Case:
    """One thread asked for by the caller, however many the manifest would take."""
    made = scale()
    made.tree["session"] = {"inter_op_threads": 256, "intra_op_threads": 256}
    made.tree["variants"][0]["threads"] = 256
    return _steps(made, ({"inter_op_threads": 1, "intra_op_threads": 1}, {}))


@valid("P1", "section 5")
def session_of_a_variant_of_one_thread() -> Case:
    """A variant's `threads` is nearer to it than the manifest's session."""
    made = scale()
    made.tree["session"] = {"intra_op_threads": 256}
    made.tree["variants"][0]["threads"] = 1
    return _steps(made, ({}, {}))


@valid("P1", "P4")
def session_mapped_by_the_manifest_without_an_ort_file() -> Case:
    """The manifest's `mapped` asks for nothing: the .onnx file is loaded, and nothing is mapped."""
    made = scale()
    made.tree["session"] = {"mapped": True}
    case = _steps(made, ({}, {}), ({"format": "onnx"}, {}))
    for step in case.steps[:2]:
        step["expect"]["format"] = "onnx"
    return case


@valid("P1", "P4")
def session_mapped_by_the_manifest() -> Case:
    """It holds where an .ort file is loaded, and the caller's word is above it."""
    made = scale_with_ort()
    made.tree["session"] = {"mapped": True}
    steps = (({}, True), ({"mapped": False}, False), ({"format": "onnx"}, False), ({"mapped": True}, True))
    return _steps(made, *((FOREIGN | options, {"mapped": mapped}) for options, mapped in steps))


@valid("P1", "P4")
def session_mapped_by_the_caller() -> Case:
    """Only where it is asked for."""
    steps = (({"mapped": True}, True), ({}, False))
    return _steps(scale_with_ort(), *((FOREIGN | options, {"mapped": mapped}) for options, mapped in steps))
