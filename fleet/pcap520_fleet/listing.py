"""The captures under a folder or an object-store prefix, with their origin and the time of their first packet."""

import re
from dataclasses import dataclass

from pyarrow import fs

from .first_packet import HEAD_BYTES, Unreadable, first_packet_ns

NAMES = re.compile(r"\.(pcap|pcapng|cap|dmp)\d*(\.gz|\.zst)?$")
"""Which files are captures: tcpdump's ring numbers its files behind the ending (`edge.pcap07`)."""

LAYOUT = r"(?P<origin>[^/]+)/"
"""Where the origin's name stands in a path below the prefix: the first folder."""


@dataclass(frozen=True)
class Capture:
    """One capture file."""

    path: str
    """As the file system that holds it names it."""
    name: str
    """Below the prefix: what the tables hold."""
    origin: str
    bytes: int
    first_ns: int
    """Time of the first packet, or of the last change to a file that shows none."""
    problem: str | None
    """Why it cannot be read."""


def file_system(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system of a folder or URI (`s3://`, `gs://`, `abfs://`, `hdfs://` ...), and the path on it."""
    return fs.FileSystem.from_uri(uri) if "://" in uri else (fs.LocalFileSystem(), uri)


def paths(prefix: str, layout: str = LAYOUT) -> list[tuple[str, str, str, int, int]]:
    """Path, name below the prefix, origin, size and time of change (ns) of each capture, in the order of the names.

    Raises `ValueError` where `layout` finds no origin in a name: an origin that is guessed would join strangers' captures.
    """
    store, root = file_system(prefix)
    pattern, found = re.compile(layout), []
    for entry in store.get_file_info(fs.FileSelector(root, recursive=True)):
        name = entry.path[len(root) :].lstrip("/")
        if entry.type != fs.FileType.File or not NAMES.search(name):
            continue
        match = pattern.search(name)
        if match is None:
            raise ValueError(f"{name}: the layout {layout!r} finds no origin in this name; pass another one with --layout")
        found.append((entry.path, name, match["origin"], entry.size, entry.mtime_ns or 0))
    return sorted(found, key=lambda row: row[1])


def look(prefix: str, path: str, name: str, origin: str, size: int, changed_ns: int) -> Capture:
    """Reads the head of one capture. A file that cannot be read is a capture with a problem."""
    store, _ = file_system(prefix)
    try:
        with store.open_input_stream(path) as file:
            first = first_packet_ns(file.read(HEAD_BYTES))
        return Capture(path, name, origin, size, first, None)
    except (Unreadable, OSError) as problem:
        return Capture(path, name, origin, size, changed_ns, str(problem))
