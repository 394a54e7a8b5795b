"""The container of an ``.ort`` file: make its bytes repeat, and read what a session does not tell."""

from __future__ import annotations

from typing import Any

_IDENTIFIER = b"ORTM"
#: At least the alignment of any value inside, so that moving the front keeps the rest aligned.
_ALIGNMENT = 64


def with_sorted_resolver(data: bytes) -> bytes:
    """Return the same file with its kernel type table in byte order.

    ONNX Runtime writes that table in the order of a hash map, which differs from process to process; it
    lies before the model, so only the front is written anew and every weight keeps its alignment.

    Raises:
        ValueError: not an ``.ort`` file.
    """
    import flatbuffers

    root = _root(data)
    resolver = root.KernelTypeStrResolver()
    if resolver is None:
        return data
    start = _model_start(root)
    # Flatbuffers grow towards their front and count from their end: the kept part goes in first.
    builder = flatbuffers.Builder(len(data) + _ALIGNMENT)
    builder.head -= len(data) - start
    builder.Bytes[builder.head :] = data[start:]
    builder.minalign = _ALIGNMENT
    table = _write_resolver(builder, resolver)
    _write_root(builder, root, len(data) - root.Model()._tab.Pos, table)
    return bytes(builder.Output())


def required_inputs(data: bytes) -> list[str]:
    """Return the inputs of the main graph that have no default value, in order.

    Raises:
        ValueError: not an ``.ort`` file.
    """
    graph = _root(data).Model().Graph()
    defaults = {graph.Initializers(number).Name() for number in range(graph.InitializersLength())}
    names = (graph.Inputs(number) for number in range(graph.InputsLength()))
    return [name.decode() for name in names if name not in defaults]


def _root(data: bytes) -> Any:
    # The package that holds the classes puts their folder on sys.path when it is imported.
    import onnxruntime.tools.ort_format_model  # noqa: F401
    from ort_flatbuffers_py.fbs.InferenceSession import InferenceSession

    if not InferenceSession.InferenceSessionBufferHasIdentifier(data, 0):
        raise ValueError("not a file in ORT format")
    return InferenceSession.GetRootAs(data, 0)


def _model_start(root: Any) -> int:
    """Return where the model's part begins: at its table, or at the field list written before that."""
    import flatbuffers

    table = root.Model()._tab
    position = int(table.Pos)
    return min(position, position - int(table.Get(flatbuffers.number_types.SOffsetTFlags, position)))


def _write_resolver(builder: Any, resolver: Any) -> int:
    from ort_flatbuffers_py.fbs import KernelTypeStrResolver, OpIdKernelTypeStrArgsEntry

    entries = [resolver.OpKernelTypeStrArgs(number) for number in range(resolver.OpKernelTypeStrArgsLength())]
    offsets = []
    for entry in sorted(entries, key=lambda entry: entry.OpId()):
        arguments = [entry.KernelTypeStrArgs(number) for number in range(entry.KernelTypeStrArgsLength())]
        written = [
            _write_arguments(builder, one) for one in sorted(arguments, key=lambda one: one.KernelTypeStr())
        ]
        vector = _write_vector(builder, written)
        name = builder.CreateString(entry.OpId())
        OpIdKernelTypeStrArgsEntry.Start(builder)
        OpIdKernelTypeStrArgsEntry.AddOpId(builder, name)
        OpIdKernelTypeStrArgsEntry.AddKernelTypeStrArgs(builder, vector)
        offsets.append(OpIdKernelTypeStrArgsEntry.End(builder))
    vector = _write_vector(builder, offsets)
    KernelTypeStrResolver.Start(builder)
    KernelTypeStrResolver.AddOpKernelTypeStrArgs(builder, vector)
    return int(KernelTypeStrResolver.End(builder))


def _write_arguments(builder: Any, entry: Any) -> int:
    """Write which arguments of an operator have the type of one type name."""
    from ort_flatbuffers_py.fbs import ArgTypeAndIndex, KernelTypeStrArgsEntry

    places = {(one.ArgType(), one.Index()) for one in map(entry.Args, range(entry.ArgsLength()))}
    offsets = []
    for kind, index in sorted(places):
        ArgTypeAndIndex.Start(builder)
        ArgTypeAndIndex.AddArgType(builder, kind)
        ArgTypeAndIndex.AddIndex(builder, index)
        offsets.append(ArgTypeAndIndex.End(builder))
    vector = _write_vector(builder, offsets)
    name = builder.CreateSharedString(entry.KernelTypeStr())
    KernelTypeStrArgsEntry.Start(builder)
    KernelTypeStrArgsEntry.AddKernelTypeStr(builder, name)
    KernelTypeStrArgsEntry.AddArgs(builder, vector)
    return int(KernelTypeStrArgsEntry.End(builder))


def _write_vector(builder: Any, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _write_root(builder: Any, root: Any, model: int, resolver: int) -> None:
    """Write the root table; ``model`` and ``resolver`` count from the end of the file."""
    from ort_flatbuffers_py.fbs import InferenceSession

    version = builder.CreateString(root.OrtVersion())
    InferenceSession.Start(builder)
    InferenceSession.AddOrtVersion(builder, version)
    InferenceSession.AddModel(builder, model)
    InferenceSession.AddKernelTypeStrResolver(builder, resolver)
    builder.Finish(InferenceSession.End(builder), file_identifier=_IDENTIFIER)
