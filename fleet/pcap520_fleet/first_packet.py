"""When does a capture begin? Reads the first bytes of a pcap or pcapng file, gzip-compressed as well."""

import io
import struct
import zlib

HEAD_BYTES = 1 << 16
"""How much of a file is asked for. Section and interface blocks before the first packet fit by far."""


class Unreadable(ValueError):
    """The bytes are no capture, or hold no whole packet header."""


def first_packet_ns(head: bytes) -> int:
    """The time of the first packet in nanoseconds since 1970.

    `head` is the beginning of the file, `HEAD_BYTES` of it or all. Raises `Unreadable`.
    """
    if head[:2] == b"\x1f\x8b":
        head = _inflate(head)
    try:
        if head[:4] == b"\x0a\x0d\x0d\x0a":
            return _pcapng(io.BytesIO(head))
        return _pcap(head)
    except struct.error as cut:
        raise Unreadable("it ends before its first packet") from cut


def _inflate(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEAD_BYTES)
    except zlib.error as damaged:
        raise Unreadable(f"its gzip data is damaged: {damaged}") from damaged


# Magic number of libpcap files: byte order, and nanoseconds for each unit of the fraction.
_PCAP = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}


def _pcap(head: bytes) -> int:
    if head[:4] not in _PCAP:
        raise Unreadable("it is neither pcap nor pcapng" if head else "it is empty")
    order, unit = _PCAP[head[:4]]
    seconds, fraction = struct.unpack_from(order + "II", head, 24)
    return seconds * 1_000_000_000 + fraction * unit


_SECTION, _INTERFACE, _PACKET, _ENHANCED_PACKET = 0x0A0D0D0A, 1, 2, 6


def _pcapng(head: io.BytesIO) -> int:
    order, ticks = "<", []
    while True:
        start = head.read(12)
        kind, length = struct.unpack_from(order + "II", start)
        if kind == _SECTION:
            order = "<" if start[8:12] == b"\x4d\x3c\x2b\x1a" else ">"
            (length,) = struct.unpack_from(order + "I", start, 4)
            ticks = []
        if length < 12:
            raise Unreadable(f"a block at byte {head.tell() - 12} says that it is {length} bytes long")
        body = start[8:12] + head.read(length - 12)
        if kind == _INTERFACE:
            ticks.append(_ticks_a_second(body[8:-4], order))
        elif kind in (_ENHANCED_PACKET, _PACKET):
            layout = order + ("III" if kind == _ENHANCED_PACKET else "HHII")
            interface, *_, high, low = struct.unpack_from(layout, body)
            if interface >= len(ticks):
                raise Unreadable("its first packet names an interface that is not described")
            return ((high << 32) | low) * 1_000_000_000 // ticks[interface]


def _ticks_a_second(options: bytes, order: str) -> int:
    """What `if_tsresol` says; microseconds where it is absent (pcapng draft, section 4.2)."""
    at = 0
    while at + 4 <= len(options):
        code, length = struct.unpack_from(order + "HH", options, at)
        if code == 0:
            break
        if code == 9 and length == 1:
            power = options[at + 4]
            return 2 ** (power & 0x7F) if power & 0x80 else 10**power
        at += 4 + (length + 3) // 4 * 4
    return 1_000_000
