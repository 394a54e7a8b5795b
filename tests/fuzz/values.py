"""Values at and around the limits that the schema of manifests sets, by its words."""

from collections.abc import Callable
from random import Random
from typing import Any

from bundle.spec import table

LARGEST = 2**53 - 1
CONTROLS = "\0\x01\t\n\r\x1f\x7f"
# One, two, three and four bytes of UTF-8, and characters that sort otherwise in UTF-16.
LETTERS = (
    "a",
    "Z",
    "0",
    "_",
    "-",
    ".",
    "/",
    "~",
    " ",
    '"',
    "\\",
    "é",
    "\u0080",
    "€",
    "\ufb01",
    "\ufffd",
    "\U0001f600",
)
DIGITS = "0123456789abcdef"
PATHS = (
    "", "models", "models/", "models//a", "/models/a", "models/../a", "models/./a", "models/a.",
    "models/.a", "models/-a",
    "models/a b", "models/é", "models/a\\b", "Models/a", "attest/a", "bundle.json", "models/a/b/c",
    "golden/a", "config/a",
    "lib/a", "lib/libonnxruntime.so.1", "models/A", "models/a", "MODELS/a", "models/SOURCE.onnx",
    "models/source.onnx/a",
    "models/source", "C:/models/a", "models/a:b", "models/_", "models/a..b", "golden/first.safetensors/x",
    "golden/First.safetensors",
    "models/" + "a" * 255, "models/" + "a" * 256, "models/" + "a/" * 508 + "b", "models/" + "a/" * 509 + "b",
)  # fmt: skip
VERSIONS = (
    "0.0.0", "1.2.3", "999999999.0.1", "1000000000.0.1", "01.0.0", "1.0", "1.0.0.0", "1.0.0 ", " 1.0.0",
    "1.0.-1", "1.0.x",
    "1.31.1", "1.31.2", "1.29.0", "1.28.9", "99.0.0", "\u0661.0.0", "1.0.0+x", "",
)  # fmt: skip
BITS = (
    "00000000",
    "3f000000",
    "7f7fffff",
    "7f800000",
    "7fc00000",
    "80000000",
    "ffffffff",
    "3F000000",
    "3f00000",
    "3f0000000",
    "00000001",
)


def integer(rng: Random, schema: dict[str, Any]) -> int:
    """An integer near a bound, or any."""
    low, high = schema.get("minimum", 0), schema.get("maximum", LARGEST)
    return rng.choice(
        [
            low,
            low + 1,
            low - 1,
            high,
            high - 1,
            min(high + 1, LARGEST),
            0,
            1,
            2,
            3,
            -1,
            LARGEST,
            -LARGEST,
            rng.randrange(300),
        ]
    )


def text(rng: Random, longest: int) -> str:
    """Some letters, now and then a control character or as many bytes as there may be."""
    word = "".join(rng.choices(LETTERS, k=rng.choice([0, 1, 1, 2, 3, 8])))
    match rng.randrange(24):
        case 0:
            return word + rng.choice(CONTROLS)
        case 1:
            return rng.choice(["a", "é", "€", "\U0001f600"]) * (longest // rng.choice([1, 2, 3, 4]))
        case 2:
            return "a" * (longest + rng.choice([-1, 0, 1]))
    return word


def identifier(rng: Random) -> str:
    """Mostly right ones."""
    return rng.choice(
        ["a", "A", "0", "int8", "source", "float16", "x.y-z_1", "_a", ".a", "-a", "", "a/b", "é", "a ",
        "a\n", "x86_64", "arm64", "any",
         "generic", "linux", "v8.0", "dotprod", "aarch64", "a" * 64, "a" * 65]
    )  # fmt: skip


def sha256(rng: Random) -> str:
    """Mostly 64 digits."""
    digits = "".join(rng.choices(DIGITS, k=rng.choice([64, 64, 64, 63, 65, 0])))
    return digits.upper() if rng.random() < 0.2 else digits


def string(rng: Random, schema: dict[str, Any]) -> str:
    """A string for a schema: of its enum or its format, right or nearly so."""
    if "enum" in schema:
        word = rng.choice(schema["enum"])
        return str(rng.choice([word, word, word, word.upper(), word + " ", "", word[:-1], "bfloat16"]))
    form = schema.get("format")
    if form in _FORMS:
        return _FORMS[form](rng)
    return rng.choice(PATHS) if "M7" in schema.get("description", "") else text(rng, 4096)


_FORMS: dict[str, Callable[[Random], str]] = {
    "identifier": identifier,
    "version": lambda rng: rng.choice(VERSIONS),
    "float32-bits": lambda rng: rng.choice(BITS),
    "sha256": sha256,
    "name": lambda rng: text(rng, 1024),
}


def resolve(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema itself, or what it refers to."""
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = table("bundle.schema")["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return found


def sample(rng: Random, schema: dict[str, Any]) -> Any:
    """A value that is mostly right by a schema."""
    schema = resolve(schema)
    kind = schema.get("type", "string")
    match rng.choice(kind) if isinstance(kind, list) else kind:
        case "object":
            required = set(schema.get("required", ()))
            known = schema.get("properties", {})
            keys = [key for key in known if key in required or rng.random() < 0.3]
            if not keys and schema.get("minProperties"):
                keys = [rng.choice(sorted(known))]
            tree = {key: sample(rng, known[key]) for key in keys}
            if isinstance(others := schema.get("additionalProperties"), dict) and rng.random() < 0.5:
                tree[rng.choice(["a", "b.c", "x/y", "~", " "])] = sample(rng, others)
            return tree
        case "array":
            return [sample(rng, schema["items"]) for _ in range(rng.choice([0, 1, 1, 2, 3]))]
        case "boolean":
            return rng.random() < 0.5
        case "integer":
            return integer(rng, schema)
    return string(rng, schema)


def other_type(rng: Random) -> Any:
    """A value of any type that canonical JSON has."""
    return rng.choice(
        [True, False, 0, 1, -1, LARGEST, "", "1", "true", [], {}, [0], [[]], {"a": 1}, ["a"], {"": {}}]
    )
