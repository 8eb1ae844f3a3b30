"""How much of everything so many calls a day need, worked out from what was measured; writes the tables of the guide.

Pure arithmetic over `tools/sizing.toml`, where each figure has its source; what is assumed of a business stands in
`Business` and is said to be assumed. This file must never hold a figure that somebody should have measured.

    python -m tools.sizing                                            # the tables of docs/sizing.md
    python -m tools.sizing --calls 40000 --handling 240 --share 0.15  # of your own calls
    python -m tools.sizing --write                                    # put the tables into docs/sizing.md
"""

from __future__ import annotations

import argparse
import math
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
FIGURES: Final = Path(__file__).with_suffix(".toml")
GUIDE: Final = ROOT / "docs" / "sizing.md"
CALLS: Final = (1_000, 10_000, 100_000, 1_000_000)
GIB: Final = 1 << 30


@dataclass(frozen=True)
class Business:
    """What is assumed: put in your own."""

    busy_hour_share: float = 0.15
    """Of a day's calls, in its busiest hour."""
    handling_s: float = 300.0
    """Average handling time: how long a call is streamed, seconds."""
    legs_per_call: int = 2
    """Channels that the platform streams, analysed or not."""
    blocking: float = 0.0001
    """How often a call may find every place taken in the busy hour."""
    headroom: float = 0.8
    """Share of what was measured that is planned with."""
    subscribers: int = 3
    """Who each event goes to: alerts, dashboard, a store."""
    broker_away_h: float = 4.0
    """How long the broker may be gone in the busy hour."""
    keep_days: float = 90.0
    """How long a store keeps events."""
    night_h: float = 8.0
    """Within which a day's recordings are analysed."""
    node_cores: int = 16
    """Of a node of the Ray cluster."""


@dataclass(frozen=True)
class Figures:
    """What was measured; see `tools/sizing.toml`."""

    legs_per_core: float
    process_mib: float
    archive_times_real_time: float
    events_per_1000_calls: float
    audio_h_per_1000_calls: float
    event_bytes: float
    outbox_row_bytes: float

    @property
    def events_per_minute(self) -> float:
        """Of a call: utterances and alerts, the summary left out."""
        return (self.events_per_1000_calls - 1000) / (self.audio_h_per_1000_calls * 60)


@dataclass(frozen=True)
class Need:
    """What so many calls a day need."""

    calls: int
    erlang: float
    """Calls at once in the busy hour, on average."""
    places: int
    """Calls at once for which there must be room."""
    legs: int
    cores: int
    """Of streamer processes, one core each."""
    memory_gib: float
    events_per_s: float
    """Into the broker, in the busy hour."""
    deliveries_per_s: float
    """Out of it."""
    out_mbit_per_s: float
    outbox_gib: float
    """Of all nodes together, while the broker is away."""
    kept_gib: float
    """Of events, at a subscriber that keeps them."""
    archive_core_h: float
    """CPU hours for a day's recordings."""
    ray_nodes: int


def places_for(erlang: float, blocking: float) -> int:
    """Return the fewest places at which calls are blocked no more often than this (Erlang B, A. K. Erlang, 1917).

    Parameters
    ----------
    erlang
        Calls at once on average, 0 or more: arrivals a second times seconds a call takes.
    blocking
        Above 0, at most 1: share of calls that find every place taken.
    """
    if erlang == 0:
        return 0
    inverse, places = 1.0, 0  # 1 / B(n) = 1 + n / erlang * 1 / B(n - 1)
    while inverse < 1 / blocking:
        places += 1
        inverse = 1 + inverse * places / erlang
    return places


def need(calls: int, business: Business, figures: Figures) -> Need:
    """Return what so many calls a day need."""
    per_s = calls * business.busy_hour_share / 3600
    erlang = per_s * business.handling_s
    places = places_for(erlang, business.blocking)
    legs = places * business.legs_per_call
    cores = math.ceil(legs / (figures.legs_per_core * business.headroom))
    events_per_call = figures.events_per_minute * business.handling_s / 60 + 3  # live, ended, and the state cleared
    events_per_s = per_s * events_per_call
    deliveries_per_s = events_per_s * business.subscribers
    core_h = calls * business.handling_s / figures.archive_times_real_time / 3600
    return Need(
        calls=calls,
        erlang=erlang,
        places=places,
        legs=legs,
        cores=cores,
        memory_gib=cores * figures.process_mib / 1024,
        events_per_s=events_per_s,
        deliveries_per_s=deliveries_per_s,
        out_mbit_per_s=deliveries_per_s * figures.event_bytes * 8 / 1e6,
        outbox_gib=events_per_s * business.broker_away_h * 3600 * figures.outbox_row_bytes / GIB,
        kept_gib=calls * events_per_call * business.keep_days * figures.event_bytes / GIB,
        archive_core_h=core_h,
        ray_nodes=math.ceil(core_h / business.night_h / business.headroom / business.node_cores),
    )


def read_figures(path: Path = FIGURES) -> tuple[Figures, dict[str, dict[str, Any]]]:
    """Return the figures, and all that stands with them."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return Figures(**{name: table["value"] for name, table in tables.items()}), tables


def tables(needs: Sequence[Need], business: Business, sources: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Return the lines of each table of the guide, by its name."""
    return {
        "figures": list(_figures(sources)),
        "business": list(_business(business)),
        "needs": list(_needs(needs)),
    }


def _figures(sources: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield "| figure | value | what | from |"
    yield "|---|---|---|---|"
    for name, one in sources.items():
        place = one["source"]
        yield f"| `{name}` | {one['value']} {one['unit']} | {one['what']} | [{Path(place).name}](../{place}) |"


def _business(business: Business) -> Iterator[str]:
    says = {
        "busy_hour_share": "of a day's calls, in its busiest hour",
        "handling_s": "average handling time: how long a call is streamed",
        "legs_per_call": "channels that the platform streams",
        "blocking": "how often a call may find every place taken",
        "headroom": "share of what was measured that is planned with",
        "subscribers": "who each event goes to: alerts, dashboard, a store",
        "broker_away_h": "how long the broker may be gone in the busy hour",
        "keep_days": "how long a store keeps events",
        "night_h": "within which a day's recordings are analysed",
        "node_cores": "of a node of the Ray cluster",
    }
    yield "| assumed | value | what |"
    yield "|---|---|---|"
    for field in fields(business):
        yield f"| `{field.name}` | {getattr(business, field.name):g} | {says[field.name]} |"


def _needs(needs: Sequence[Need]) -> Iterator[str]:
    rows: tuple[tuple[str, str, str], ...] = (
        ("calls at once, on average (erlang)", "erlang", ",.1f"),
        ("places for calls", "places", ",d"),
        ("legs", "legs", ",d"),
        ("**cores of streamer**, a process each", "cores", ",d"),
        ("their memory, GiB", "memory_gib", ",.1f"),
        ("messages into the broker, a second", "events_per_s", ",.1f"),
        ("messages out of it, a second", "deliveries_per_s", ",.1f"),
        ("Mbit/s out of it", "out_mbit_per_s", ",.2f"),
        ("disk for the outboxes, GiB in all", "outbox_gib", ",.2f"),
        ("events kept, GiB", "kept_gib", ",.1f"),
        ("CPU hours for the day's recordings", "archive_core_h", ",.1f"),
        ("**Ray nodes** at night", "ray_nodes", ",d"),
    )
    yield "| calls a day | " + " | ".join(f"{one.calls:,}" for one in needs) + " |"
    yield "|---" * (len(needs) + 1) + "|"
    for says, name, form in rows:
        yield f"| {says} | " + " | ".join(format(getattr(one, name), form) for one in needs) + " |"


def written(guide: str, parts: dict[str, list[str]]) -> str:
    """Return the guide with its tables made anew; each stands between two comments that name it.

    Raises
    ------
    ValueError
        The guide has no place for a table.
    """
    for name, lines in parts.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        body = "\n".join(lines)
        guide, count = re.subn(
            pattern, lambda found, body=body: f"{found[1]}{body}\n{found[2]}", guide, flags=re.DOTALL
        )
        if count != 1:
            raise ValueError(f"the guide has {count} places for the table {name}, must have 1: <!-- {name} -->")
    return guide


def main() -> None:
    """Print or write the tables."""
    parser = argparse.ArgumentParser(description="how much so many calls a day need")
    parser.add_argument("--calls", type=int, action="append", help="a day; several may be given")
    parser.add_argument("--share", type=float, help="of a day's calls, in its busiest hour")
    parser.add_argument("--handling", type=float, help="average handling time, seconds")
    parser.add_argument("--legs", type=int, help="channels a call streams")
    parser.add_argument("--write", action="store_true", help="put the tables of the guide into docs/sizing.md")
    asked = parser.parse_args()
    figures, sources = read_figures()
    given = {"busy_hour_share": asked.share, "handling_s": asked.handling, "legs_per_call": asked.legs}
    business = replace(Business(), **{name: value for name, value in given.items() if value is not None})
    if asked.write:
        usual = [need(calls, Business(), figures) for calls in CALLS]
        guide = GUIDE.read_text(encoding="utf-8")
        GUIDE.write_text(written(guide, tables(usual, Business(), sources)), encoding="utf-8")
        return
    needs = [need(calls, business, figures) for calls in asked.calls or CALLS]
    print("\n\n".join("\n".join(lines) for lines in tables(needs, business, sources).values()))


if __name__ == "__main__":
    main()
