"""Publishes what `pcap520 live` writes to NATS JetStream.

The file between the two keeps them apart: a shipper that is slow or down never holds the capture up, and what it missed it sends later.
Each line is published until the server has it on disk, with an id by which the server knows one that comes twice.
"""

import asyncio
import hashlib
import json
import sys

import nats
from nats.errors import Error as NatsError

from .follow import Follower, Lines

STREAM = "PCAP520"
SUBJECTS = "pcap520.>"
IDLE_S = 0.5
"""How often a file that does not grow is looked at."""
PATIENCE_S = 30
"""How long the server may take to acknowledge a batch."""


async def run(file: str, server: str, origin: str, state: str) -> None:
    """Publishes for ever."""
    client = await nats.connect(server, max_reconnect_attempts=-1, allow_reconnect=True)
    follower = Follower(file, state)
    while True:
        lost = follower.lost_files
        lines = follower.read()
        if follower.lost_files > lost:
            print(f"pcap520-fleet: {follower.lost_files} files were rotated away before they were published", file=sys.stderr)
        if lines is None:
            await asyncio.sleep(IDLE_S)
            continue
        await _publish(client, origin, lines)
        follower.delivered(lines)


async def _publish(client: nats.NATS, origin: str, lines: Lines) -> None:
    """Publishes a batch until all of it is acknowledged."""
    stream = client.jetstream(publish_async_max_pending=1024)
    while True:
        try:
            await stream.add_stream(name=STREAM, subjects=[SUBJECTS], duplicate_window=600)
            waiting = [await stream.publish_async(_subject(origin), line, headers=_header(origin, line)) for line in lines.lines]
            await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE_S)
            return
        except (NatsError, asyncio.TimeoutError, OSError) as fault:
            print(f"pcap520-fleet: not published, trying again: {fault or type(fault).__name__}", file=sys.stderr)
            await asyncio.sleep(1)


def _subject(origin: str) -> str:
    # Points, stars and spaces mean something in a subject.
    return "pcap520." + "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in origin)


def _header(origin: str, line: bytes) -> dict[str, str]:
    key = hashlib.sha256(origin.encode() + b"\0" + line).hexdigest()[:32]
    return {"Nats-Msg-Id": key, "pcap520-origin": json.dumps(origin)}
