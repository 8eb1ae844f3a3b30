"""Tests of the plugins need the frameworks, each with half a gigabyte and fifty packages: `make plugins` has them.

They are left out where those are missing; `.ci/run` runs them in an environment of their own. This file must never
import one.
"""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore = [f"test_{name}.py" for name in ("livekit", "pipecat") if find_spec(name) is None]
