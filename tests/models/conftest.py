"""The laboratory's tests that train or export need its dependencies (`uv sync --group lab`): PyTorch, in gigabytes.

They are left out where those are missing, as `.ci/run` says: nothing that ships needs them.
"""

from __future__ import annotations

from importlib.util import find_spec

NEED_TORCH = ["test_evaluate.py", "test_experiment.py", "test_export.py", "test_network.py"]
HAS_TORCH = find_spec("torch") is not None and find_spec("sklearn") is not None

collect_ignore = [] if HAS_TORCH else NEED_TORCH
