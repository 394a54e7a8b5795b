"""Mutations of a manifest's tree that know its schema: what comes out is written canonically."""

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from bundle.canonical import dumps
from bundle.error import BundleError
from bundle.manifest import Manifest
from bundle.spec import table
from tests.fuzz import values
from tests.fuzz.values import resolve, sample

Tree = dict[str, Any]


class Spot(NamedTuple):
    """A place in a tree: the container, the key or index in it, and the schema of what stands there."""

    parent: Any
    key: Any
    schema: Tree

    @property
    def value(self) -> Any:
        """What stands there."""
        return self.parent[self.key]


def spots(tree: Tree) -> list[Spot]:
    """Every place in a tree that the schema knows, each before those inside it."""
    found: list[Spot] = []
    _walk({"": tree}, "", table("bundle.schema"), found)
    return found


def _walk(parent: Any, key: Any, schema: Tree, found: list[Spot]) -> None:
    schema = resolve(schema)
    found.append(Spot(parent, key, schema))
    value = parent[key]
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name in value:
            rule = known.get(name, others)
            if isinstance(rule, dict):
                _walk(value, name, rule, found)
    elif isinstance(value, list) and "items" in schema:
        for index in range(len(value)):
            _walk(value, index, schema["items"], found)


def mutate(rng: Random, tree: Tree) -> Tree:
    """Change a tree in one to three places; the tree given is changed too."""
    holder = {"": tree}
    for _ in range(rng.choice([1, 1, 1, 2, 2, 3])):
        tree = holder[""]
        if not isinstance(tree, dict):
            break
        found: list[Spot] = []
        _walk(holder, "", table("bundle.schema"), found)
        rng.choice(OPERATIONS)(rng, found)
    if isinstance(holder[""], dict) and rng.random() < 0.6:
        repair(rng, holder[""])
    return holder[""]


def _replace(rng: Random, found: list[Spot]) -> None:
    spot = rng.choice(found[1:] or found)
    spot.parent[spot.key] = sample(rng, spot.schema)


def _retype(rng: Random, found: list[Spot]) -> None:
    spot = rng.choice(found)
    spot.parent[spot.key] = values.other_type(rng)


def _drop_key(rng: Random, found: list[Spot]) -> None:
    if objects := [spot.value for spot in found if isinstance(spot.value, dict) and spot.value]:
        chosen = rng.choice(objects)
        del chosen[rng.choice(sorted(chosen))]


def _add_key(rng: Random, found: list[Spot]) -> None:
    spot = rng.choice([spot for spot in found if isinstance(spot.value, dict)] or found)
    if not isinstance(spot.value, dict):
        return
    known = spot.schema.get("properties", {})
    if absent := [key for key in known if key not in spot.value and rng.random() < 0.9]:
        key = rng.choice(absent)
        spot.value[key] = sample(rng, known[key])
    else:
        key = rng.choice(["", "a", "a/b", "m~n", "\x01", "\x7f", "zz", "Inputs", "format_version "])
        spot.value[key] = values.other_type(rng)


def _edit_list(rng: Random, found: list[Spot]) -> None:
    lists = [spot for spot in found if isinstance(spot.value, list)]
    if not lists:
        return
    spot = rng.choice(lists)
    entries = spot.value
    match rng.randrange(6):
        case 0 if entries:
            entries.append(_copied(rng.choice(entries)))
        case 1 if len(entries) > 1:
            first, second = rng.sample(range(len(entries)), 2)
            entries[first], entries[second] = entries[second], entries[first]
        case 2 if entries:
            del entries[rng.randrange(len(entries))]
        case 3 if rng.random() < 0.1:
            most = min(spot.schema.get("maxItems", 9), 300)
            filler = entries[0] if entries else sample(rng, spot.schema.get("items", {}))
            entries[:] = [filler] * (most + rng.choice([0, 1]))
        case _:
            entries.insert(rng.randint(0, len(entries)), sample(rng, spot.schema.get("items", {})))


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


def _borrow(rng: Random, found: list[Spot]) -> None:
    """Make one text equal to another of a like format: names twice, references that lead elsewhere."""
    texts = [spot for spot in found if isinstance(spot.value, str)]
    if not texts:
        return
    spot = rng.choice(texts)
    like = [other for other in texts if other.schema is spot.schema]
    spot.parent[spot.key] = rng.choice(like if rng.random() < 0.8 else texts).value


def _respell(rng: Random, found: list[Spot]) -> None:
    texts = [spot for spot in found if isinstance(spot.value, str)]
    if not texts:
        return
    spot = rng.choice(texts)
    word = spot.value
    place = rng.randint(0, len(word))
    spot.parent[spot.key] = rng.choice(
        [word.swapcase(), word[:-1], word + ".utf8", word + ".offsets",
        word[:place] + rng.choice(values.LETTERS) + word[place:],
         word[:place] + rng.choice(values.CONTROLS) + word[place:], word[1:]]
    )  # fmt: skip


def _section(rng: Random, found: list[Spot]) -> None:
    """Add a section that refers to others, with references that mostly lead somewhere."""
    tree = found[0].value
    inputs, outputs = _names(tree, "inputs"), _names(tree, "outputs")
    match rng.randrange(6):
        case 0:
            tree["states"] = [
                {"input": rng.choice(inputs), "output": rng.choice(outputs)}
                for _ in range(rng.choice([1, 2]))
            ]
        case 1:
            tree["tasks"] = [{"kind": "classes", "labels": ["a", ""], "output": rng.choice(outputs)}]
        case 2:
            symbols = [size for port in _dicts(tree, "inputs") for size in _list(port, "shape")]
            tree["batch"] = rng.choice(
                [{"symbol": rng.choice(symbols or ["n"])}, {"size": rng.choice([1, 2, 3])}]
            )
        case 3:
            tree[rng.choice(["features", "components"])] = rng.choice([[], ["a"], [{}]])
        case 4:
            paths = [file.get("path", "") for file in _dicts(tree, "files")]
            runtime = tree.get("runtime")
            if isinstance(runtime, dict):
                runtime["library"] = rng.choice([*paths, "lib/none"])
        case _:
            tree["metadata"] = {rng.choice(["a", "~/", "\x7f"]): values.text(rng, 4096)}


def _nest(rng: Random, found: list[Spot]) -> None:
    """Nest up to and beyond the limit."""
    value: Any = rng.choice([[], {}, 1, ""])
    for _ in range(rng.choice([1, 12, 13, 14, 15, 16, 17])):
        value = rng.choice([[value], {"a": value}])
    found[0].value["components"] = [{"a": value}] if rng.random() < 0.5 else value


def _port(rng: Random, found: list[Spot]) -> None:
    """Change an input, an output or a tolerance to another that may stand there."""
    places = [
        spot
        for spot in found
        if "dtype" in spot.schema.get("properties", {}) and isinstance(spot.value, dict)
    ]
    if not places:
        return
    port = rng.choice(places).value
    match rng.randrange(4):
        case 0:
            port["dtype"] = rng.choice(table("bundle.schema")["$defs"]["dtype"]["enum"])
        case 1:
            port["shape"] = []
            port["dtype"] = rng.choice([port.get("dtype", ""), "string", "float16"])
        case 2:
            port["shape"] = [
                rng.choice([0, 1, 2, 3, "n", "batch", values.LARGEST])
                for _ in range(rng.choice([0, 1, 2, 8, 9]))
            ]
        case _:
            port["name"] = rng.choice(
                [f"{port.get('name')}.utf8", f"{port.get('name')}.offsets", "x", "y", "é"]
            )


def _file(rng: Random, found: list[Spot]) -> None:
    """List a further file, whose path is another's in other letters, below it, or of another kind."""
    files = _dicts(found[0].value, "files")
    paths = [file["path"] for file in files if isinstance(file.get("path"), str)]
    if not paths:
        return
    path = rng.choice(paths)
    folder, _, name = path.rpartition("/")
    new = rng.choice(
        [path.upper(), f"{folder}/{name.swapcase()}", f"{folder}/{name.upper()}/x", f"{path}/x",
        f"{folder}/a/B", f"{folder}/A/b",
         f"{folder}/a", f"{folder.capitalize()}/{name}", *rng.sample(values.PATHS, 3)]
    )  # fmt: skip
    entry = {"path": new, "sha256": "0" * 64, "size": rng.choice([0, 1, values.LARGEST])}
    if rng.random() < 0.4:
        files[rng.randrange(len(files))]["path"] = new
    elif isinstance(found[0].value.get("files"), list):
        found[0].value["files"].append(entry)


def _target(rng: Random, found: list[Spot]) -> None:
    tree = found[0].value
    arch = rng.choice(["any", "arm64", "x86_64", "riscv"])
    tree["target"] = {
        "arch": arch,
        "cpu_class": rng.choice(["generic", "v8.0", "dotprod"]),
        "os": rng.choice(["any", "linux"]),
    }
    if rng.random() < 0.7:
        row = table("targets")["targets"].get(arch, {"default_cpu_class": "generic", "os": "linux"})
        tree["target"] |= {"cpu_class": row["default_cpu_class"], "os": row["os"]}
        for variant in _dicts(tree, "variants"):
            variant["cpu_class"] = row["default_cpu_class"]


def _version(rng: Random, found: list[Spot]) -> None:
    found[0].value["format_version"] = rng.choice([0, 2, -1, 1, True, "1", values.LARGEST, [1]])


OPERATIONS: list[Callable[[Random, list[Spot]], None]] = [
    _replace, _replace, _replace, _retype, _drop_key, _add_key, _add_key, _edit_list, _edit_list, _borrow,
    _borrow, _respell,
    _respell, _section, _section, _nest, _port, _port, _target, _version, _file, _file,
]  # fmt: skip


def repair(rng: Random, tree: Tree) -> None:
    """Put right what a change elsewhere put wrong, so that later checks are reached."""
    files = _dicts(tree, "files")
    if (
        files
        and len(files) == len(tree["files"])
        and all(isinstance(file.get("path"), str) for file in files)
    ):
        tree["files"] = sorted(files, key=lambda file: file["path"].encode())
    sizes = {str(file.get("path")): file.get("size") for file in files}
    outputs = tree.get("outputs")
    for variant in _dicts(tree, "variants"):
        paths = variant.get("files")
        if isinstance(paths, dict):
            parts = [sizes.get(str(path)) for path in paths.values()]
            total = sum(size for size in parts if isinstance(size, int))
            variant["bytes"] = max(-values.LARGEST, min(total, values.LARGEST))
        count = len(outputs) if isinstance(outputs, list) else 0
        if isinstance(variant.get("tolerances"), list) and rng.random() < 0.9:
            variant["tolerances"] = (variant["tolerances"] + [{"word": "exact"}] * count)[:count]


def _dicts(tree: Tree, key: str) -> list[Tree]:
    return [entry for entry in _list(tree, key) if isinstance(entry, dict)]


def _list(tree: Tree, key: str) -> list[Any]:
    value = tree.get(key)
    return value if isinstance(value, list) else []


def _names(tree: Tree, key: str) -> list[Any]:
    return [entry.get("name", "x") for entry in _dicts(tree, key)] + ["none"]


def plausible(tree: Tree) -> bool:
    """Tell whether a manifest would be accepted."""
    try:
        Manifest.parse(dumps(tree))
    except BundleError:
        return False
    return True
