"""Reads the lines of a file that grows, and remembers how far it came."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Lines:
    """Whole lines, and the mark to keep once they are delivered."""

    lines: list[bytes]
    mark: "Mark"


@dataclass(frozen=True)
class Mark:
    """How far a file was delivered."""

    inode: int
    offset: int


class Follower:
    """The lines that were not delivered yet, across log rotation and restarts.

    A rotated file is looked for beside its successor, by its inode, and read to its end first. `lost_files` counts those that
    were gone before they were delivered: their lines are lost.
    """

    def __init__(self, path: str, state: str):
        self._path = Path(path)
        self._state = Path(state) / (self._path.name + ".json")
        self._state.parent.mkdir(parents=True, exist_ok=True)
        self.lost_files = 0

    def read(self) -> Lines | None:
        """Some whole lines, or nothing as long as there are none."""
        mark = self._mark()
        if mark is None:
            return None
        if (file := self._file(mark.inode)) is None:
            self.lost_files += 1
            return self._next(0)
        size = file.stat().st_size
        if size < mark.offset:
            # Truncated in place: what is there now is new.
            mark = Mark(mark.inode, 0)
        if (found := _lines(file, mark)) is not None:
            return found
        if file != self._path and self._path.exists():
            return self._next(mark.inode)
        return None

    def delivered(self, lines: Lines) -> None:
        """Remembers that these need not be read again."""
        unfinished = self._state.with_suffix(".new")
        unfinished.write_text(json.dumps({"inode": lines.mark.inode, "offset": lines.mark.offset}))
        os.replace(unfinished, self._state)

    def _mark(self) -> Mark | None:
        try:
            return Mark(**json.loads(self._state.read_text()))
        except FileNotFoundError:
            return Mark(self._path.stat().st_ino, 0) if self._path.exists() else None

    def _next(self, inode: int) -> Lines | None:
        """From the beginning of the file that followed the one with `inode`."""
        if not self._path.exists() or self._path.stat().st_ino == inode:
            return None
        return _lines(self._path, Mark(self._path.stat().st_ino, 0))

    def _file(self, inode: int) -> Path | None:
        return next((file for file in self._candidates() if file.stat().st_ino == inode), None)

    def _candidates(self) -> Iterator[Path]:
        if self._path.exists():
            yield self._path
        yield from sorted(self._path.parent.glob(self._path.name + "[.-]*"))


def _lines(file: Path, mark: Mark) -> Lines | None:
    with file.open("rb") as source:
        source.seek(mark.offset)
        chunk = source.read(READ_BYTES)
        while b"\n" not in chunk and (more := source.read(READ_BYTES)):
            chunk += more
    end = chunk.rfind(b"\n") + 1
    return Lines(chunk[:end].splitlines(), Mark(mark.inode, mark.offset + end)) if end else None
