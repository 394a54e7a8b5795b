"""How fast each language predicts beside the C API of ONNX Runtime: one program per way in, asked in turn.

A program is called with ``BUNDLE MODEL INPUT SHAPE OUTPUT SHAPE ROWS PIECE``: a bundle with one float32
input and one float32 output, its ``.onnx`` file inside it, both shapes for one row (``1x64``), the rows and
the size of a piece for the calls with many rows. Each line that it reads is ``KIND COUNT``. It replies the
nanoseconds that COUNT calls of that kind took, or for ``answer 1`` the bytes of the output in hex. The kinds:

- ``bound``: over tensors made before; for the C API `Run` with tensors made once.
- ``predict``: inputs that the caller holds, an output that is made anew and belongs to the caller.
- ``whole``: `predict` with ROWS rows.
- ``pieces``: `predict_batch` of the same rows in pieces of PIECE.
- ``open``: open the bundle and close it; for the C API the session alone.
"""
