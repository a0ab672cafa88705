"""Makes captures of many origins and days out of one: the same packets at other times."""

import struct
from pathlib import Path


def packets(capture: Path) -> tuple[bytes, list[tuple[int, int, int, bytes]]]:
    """File header, and seconds, microseconds, length on the wire and bytes of each packet of a little-endian pcap file."""
    data, found = capture.read_bytes(), []
    assert data[:4] == b"\xd4\xc3\xb2\xa1", f"{capture} is no little-endian pcap file with microseconds"
    at = 24
    while at < len(data):
        seconds, micros, kept, length = struct.unpack_from("<IIII", data, at)
        found.append((seconds, micros, length, data[at + 16 : at + 16 + kept]))
        at += 16 + kept
    return data[:24], found


def write(path: Path, header: bytes, records: list[tuple[int, int, int, bytes]], later_s: int = 0) -> Path:
    """Writes packets as a capture, `later_s` seconds after they were taken."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = [header]
    for seconds, micros, length, data in records:
        parts.append(struct.pack("<IIII", seconds + later_s, micros, len(data), length) + data)
    path.write_bytes(b"".join(parts))
    return path


def build(folder: Path, captures: list[Path], origins: int, days: int) -> int:
    """An estate: each origin takes the captures in turn, one a day. Returns how many files that are."""
    known = [packets(capture) for capture in captures]
    for number in range(origins * days):
        origin, day = divmod(number, days)
        header, records = known[number % len(known)]
        write(folder / f"origin-{origin:03}" / f"day-{day:02}.pcap", header, records, later_s=86400 * day + 60 * origin)
    return origins * days
