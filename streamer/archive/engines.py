"""Which engine a command line names, and what each is given to begin with.

Where nothing is to be done none is begun. This file must never analyse anything itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec

from streamer.archive.analysis import Analyst
from streamer.archive.cluster import cluster
from streamer.archive.engine import Engine, EngineError
from streamer.archive.pool import Alone, Pool, cores
from streamer.archive.reach import Where, ray_module
from streamer.archive.remote import Parcel
from streamer.archive.ways import Ways
from streamer.config import Settings
from streamer.emotion.model import load, locate
from streamer.leg import warm_up


class Plan(msgspec.Struct, frozen=True):
    """How the work is to be done."""

    settings: Settings
    ways: Ways
    salt: bytes | None
    on: str | None = None
    """As `--on` says it; None for processes of this machine."""
    workers: int | None = None
    """How many at most; as many as there are processors if not given."""

    def prove(self) -> None:
        """Refuse an engine that cannot be, before anything is done.

        Raises
        ------
        EngineError
            `on` names none, or its packages are missing.
        """
        if self.on is not None:
            ray_module(Where.parse(self.on))

    @contextmanager
    def engine(self, jobs: int, say: Callable[[str], None]) -> Iterator[Engine[Any]]:
        """Begin the engine for so many jobs, end it afterwards.

        Raises
        ------
        EngineError
            It cannot be.
        """
        if self.on is not None and jobs:
            wanted = min(self.workers, jobs) if self.workers else None
            pack = partial(Parcel.of, self.settings, self.ways, self.salt)
            with cluster(Where.parse(self.on), wanted, pack, say) as ray:
                yield ray
            return
        workers = max(1, min(self.workers or cores(), jobs))
        make = partial(_analyst, self.settings, self.ways, self.salt)
        yield Alone(make) if workers == 1 else Pool(make, workers)


def _analyst(settings: Settings, ways: Ways, salt: bytes | None) -> Analyst:
    """Make whoever analyses, in the process where it works."""
    model = load(locate(settings.emotion.model))
    if model.card.sha256 != ways.model_sha256:
        raise EngineError("the model changed while the archive was being analysed; begin again with --resume")
    warm_up(model)
    return Analyst(settings, model, ways, salt)
