"""The same steps with Olive, in its environment: its passes for slimming and for quantizing.

    build/olive/bin/python tests/benchmarks/with_olive.py MODEL FOLDER

It prints the seconds of each step as JSON. Olive has no pass for ONNX Runtime's format, so the result is
converted with the tool that `by_hand` uses.
"""

import json
import sys
import time
from pathlib import Path


def main(source: Path, folder: Path) -> dict[str, float]:
    """Write int8.onnx and int8.ort; return seconds by step."""
    import olive
    from by_hand import convert

    start = time.perf_counter()
    olive.run(
        {
            "input_model": {"type": "OnnxModel", "model_path": str(source)},
            "systems": {
                "here": {
                    "type": "LocalSystem",
                    "accelerators": [{"device": "cpu", "execution_providers": ["CPUExecutionProvider"]}],
                }
            },
            "passes": {
                "slim": {"type": "OnnxPeepholeOptimizer"},
                "quantize": {"type": "OnnxDynamicQuantization", "precision": "int8", "per_channel": True},
            },
            "engine": {
                "target": "here",
                "cache_dir": str(folder / "cache"),
                "output_dir": str(folder / "out"),
                "evaluate_input_model": False,
            },
        }
    )
    passed = time.perf_counter()
    (model,) = (folder / "out").rglob("*.onnx")
    convert(model.rename(folder / "int8.onnx"), "amd64")
    return {"passes": passed - start, "convert": time.perf_counter() - passed}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]))))
