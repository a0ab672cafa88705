"""Captures that have to be read together: those of one origin, by windows of time.

A connection may begin in one file and end in the next. So each group reads, beside its own files, those around them, and
keeps only what happened in its own time: between its start and the start of the origin's next group. A connection that
crosses a border is read whole by both and reported by one.
"""

import hashlib
import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from itertools import pairwise

from .listing import Capture

NS = 1_000_000_000
HOUR_NS = 3600 * NS
OVERLAP_NS = 900 * NS
"""How far a group looks over its borders: the time that Cloudflare's edge keeps an idle connection."""

_BEGIN, _END = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class Group:
    """Captures of one origin that are read by one process."""

    origin: str
    start_ns: int
    """Begin of its window: with the origin, the name of the group."""
    own: tuple[Capture, ...]
    around: tuple[Capture, ...]
    """Files before and after its own, read for the connections that cross the border."""
    keep_from_ns: int
    keep_until_ns: int
    """What it reports lies between the two: from the first, before the second."""

    def fingerprint(self) -> str:
        """Changes when the group has to be run again."""
        return hashlib.sha256(self.dump().encode()).hexdigest()[:16]

    def dump(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def load(line: str) -> "Group":
        """The group of a line that `dump` wrote."""
        fields = json.loads(line)
        for files in ("own", "around"):
            fields[files] = tuple(Capture(**capture) for capture in fields[files])
        return Group(**fields)


def groups(captures: list[Capture], window_hours: int = 24) -> list[Group]:
    """The groups of these captures, in the order of origin and time. `window_hours` divides a day."""
    if window_hours < 1 or 24 % window_hours:
        raise ValueError(f"a window of {window_hours} h does not divide a day: take 1, 2, 3, 4, 6, 8, 12 or 24")
    by_origin = defaultdict(list)
    for capture in captures:
        by_origin[capture.origin].append(capture)
    return [group for origin in sorted(by_origin) for group in _of_origin(origin, by_origin[origin], window_hours * HOUR_NS)]


def _of_origin(origin: str, captures: list[Capture], window_ns: int) -> list[Group]:
    captures = sorted(captures, key=lambda capture: (capture.first_ns, capture.name))
    windows = defaultdict(list)
    for capture in captures:
        windows[capture.first_ns // window_ns * window_ns].append(capture)
    starts = sorted(windows)
    borders = [_BEGIN, *starts[1:], _END]
    return [
        Group(origin, start, tuple(windows[start]), _around(captures, windows[start], keep_from, keep_until), keep_from, keep_until)
        for start, (keep_from, keep_until) in zip(starts, pairwise(borders))
    ]


def _around(captures: list[Capture], own: list[Capture], keep_from: int, keep_until: int) -> tuple[Capture, ...]:
    """Readable files of other windows that hold packets within `OVERLAP_NS` of the borders."""
    others = [capture for capture in captures if capture.problem is None and capture not in own]
    early = [capture for capture in others if capture.first_ns < keep_from]
    late = [capture for capture in others if keep_until <= capture.first_ns < keep_until + OVERLAP_NS]
    near = [capture for capture in early if capture.first_ns >= keep_from - OVERLAP_NS]
    # The file before those reaches up to where they begin.
    last_before = [capture for capture in early if capture.first_ns < keep_from - OVERLAP_NS][-1:]
    return tuple(last_before + near + late)
