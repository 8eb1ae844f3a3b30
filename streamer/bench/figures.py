"""Figures of a program seen from outside: its page of metrics, and what the kernel says of its processes (Linux).

This file must never guess: what is not to be had is an error, or None where that is a finding of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

Figures = dict[str, float]
"""Samples of /metrics, as in ``name{label="value"}``."""


def read_figures(page: str) -> Figures:
    """Return the samples of a page in the Prometheus text format."""
    figures: Figures = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            figures[f"{sample.name}{{{labels}}}" if labels else sample.name] = float(sample.value)
    return figures


def total(figures: Figures, name: str) -> float:
    """Return the sum of a metric over its labels; 0 where there is none."""
    return sum(value for key, value in figures.items() if key.partition("{")[0] == name)


def quantile(before: Figures, after: Figures, name: str, share: float, labels: str = "") -> float | None:
    """Return a quantile of what a histogram was given between two looks, as Prometheus estimates it.

    Parameters
    ----------
    before, after
        The looks.
    name
        The histogram.
    share
        0 to 1.
    labels
        Its labels without `le`, such as ``stage="model"``: one that sorts behind `le`.

    Returns
    -------
    float or None
        In the histogram's unit; its highest bound where the quantile lies above; None where it was given nothing.
    """
    prefix, end = f'{name}_bucket{{le="', f'",{labels}}}' if labels else '"}'
    bounds = sorted(
        (float(key.removeprefix(prefix).removesuffix(end)), key)
        for key in after
        if key.startswith(prefix) and key.endswith(end) and (labels or "," not in key)
    )
    counts = [(bound, after[key] - before.get(key, 0.0)) for bound, key in bounds]
    if not counts or counts[-1][1] <= 0:
        return None
    rank, below, low = share * counts[-1][1], 0.0, 0.0
    for bound, count in counts:
        if count >= rank:
            if bound == float("inf"):
                return low
            return low + (bound - low) * ((rank - below) / (count - below) if count > below else 1.0)
        below, low = count, bound
    raise AssertionError("the last bucket holds everything")


def mean(before: Figures, after: Figures, name: str, labels: str = "") -> float | None:
    """Return the mean of what a histogram was given between two looks; None where it was given nothing."""
    of = f"{{{labels}}}" if labels else ""
    count = after.get(f"{name}_count{of}", 0.0) - before.get(f"{name}_count{of}", 0.0)
    if count <= 0:
        return None
    return (after[f"{name}_sum{of}"] - before.get(f"{name}_sum{of}", 0.0)) / count


def cpu_s(pid: int) -> float:
    """Return how much processor time a process has used, all threads, in s."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def waited_s(pid: int) -> float:
    """Return how long the threads of a process were ready but did not run, as others had their core, in s."""
    # The second figure: https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text(encoding="ascii").split()[1]) for task in tasks) / 1e9


def resident_bytes(pid: int) -> int:
    """Return how much memory a process holds, in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def proportional_bytes(pid: int) -> int:
    """Return how much memory a process holds, in bytes; what it shares with others counts in part (PSS)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        name, _, rest = line.partition(":")
        if name == "Pss":
            return int(rest.split()[0]) * 1024
    raise AssertionError("the kernel says Pss since 4.14")


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for child, parent in _parents():
        parents.setdefault(parent, []).append(child)
    found, left = [], [pid]
    while left:
        one = left.pop()
        found.append(one)
        left += parents.get(one, [])
    return found


def _parents() -> Iterator[tuple[int, int]]:
    """Yield every process and its parent."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                yield int(entry.name), int(_stat(int(entry.name))[1])
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has just ended


def family_cpu_s(pids: Iterable[int]) -> float:
    """Return the processor time of several processes, in s."""
    return sum(map(cpu_s, pids))


def _stat(pid: int) -> list[str]:
    # Behind the name, which may hold spaces: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
