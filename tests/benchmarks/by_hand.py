"""What an engineer types without this package: onnxslim, quantize_dynamic and the converter, in one process.

    python tests/benchmarks/by_hand.py MODEL FOLDER

It prints the seconds of each step as JSON. Nothing is checked on the way.
"""

import contextlib
import json
import sys
import time
from pathlib import Path


def main(source: Path, folder: Path) -> dict[str, float]:
    """Write slim.onnx, int8.onnx and int8.ort; return seconds by step."""
    import onnx
    import onnxslim
    from onnxruntime.quantization import QuantType, quantize_dynamic

    seconds = {"start": time.perf_counter()}
    onnx.save(onnxslim.slim(onnx.load(source)), folder / "slim.onnx")
    seconds["slim"] = time.perf_counter()
    quantize_dynamic(
        folder / "slim.onnx", folder / "int8.onnx", weight_type=QuantType.QInt8, per_channel=True
    )
    seconds["quantize"] = time.perf_counter()
    convert(folder / "int8.onnx", "amd64")
    seconds["convert"] = time.perf_counter()
    times = list(seconds.values())
    return {name: seconds[name] - before for name, before in zip(list(seconds)[1:], times, strict=False)}


def convert(model: Path, platform: str) -> None:
    """Convert a model with ONNX Runtime's own tool; the result lies beside it."""
    from onnxruntime.tools.convert_onnx_models_to_ort import OptimizationStyle, convert_onnx_models_to_ort

    with contextlib.redirect_stdout(sys.stderr):
        convert_onnx_models_to_ort(
            model, optimization_styles=[OptimizationStyle.Fixed], target_platform=platform
        )


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]))))
