"""Tests of peers whose packages are not in `dev` are left out where these are missing: `make bench`'s environment has
them (the dependency group `bench`). This file must never import one.
"""

from __future__ import annotations

from importlib.util import find_spec

NEEDS = {
    "egemaps": ("opensmile",),
    "sherpa": ("sherpa_onnx", "kaldi_native_fbank", "silero_vad"),
    "silero": ("silero_vad",),
}
"""Names that the peers import, or of which they take a file."""

collect_ignore = [f"test_{peer}.py" for peer, names in NEEDS.items() if not all(map(find_spec, names))]
