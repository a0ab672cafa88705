"""Carries what was published from NATS JetStream into ClickHouse.

A message is acknowledged when its row is in the database, so one may come twice: the tables replace a row of the same key.
"""

import asyncio
import json
import sys
import urllib.error
import urllib.request
from collections import defaultdict
from datetime import datetime
from typing import Any, Protocol

import nats
from nats.errors import Error as NatsError

from . import tables
from .ship import STREAM, SUBJECTS

BATCH = 5000
"""Messages that are inserted at once. ClickHouse likes few big inserts."""

_ROWS = {"incident": ("incidents", tables.incident), "observation": ("observations", tables.observation), "connection": ("connections", tables.connection)}


class Database(Protocol):
    """What takes rows."""

    def insert(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Inserts rows, all or none. Raises `OSError` where it could not."""


class ClickHouse:
    """A ClickHouse server by its HTTP interface."""

    def __init__(self, url: str, database: str = "pcap520"):
        self._url = f"{url}/?database={database}&date_time_input_format=best_effort&query="

    def insert(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Inserts rows by one request."""
        query = urllib.request.quote(f"INSERT INTO {table} FORMAT JSONEachRow")
        try:
            urllib.request.urlopen(self._url + query, data=json_rows(rows).encode(), timeout=60).read()
        except urllib.error.HTTPError as refusal:
            raise OSError(refusal.read(500).decode(errors="replace").strip()) from refusal


def json_rows(rows: list[dict[str, Any]]) -> str:
    """The rows as ClickHouse's JSONEachRow takes them."""
    return "\n".join(json.dumps(row, default=_stamp) for row in rows)


def _stamp(value: datetime) -> str:
    return value.isoformat(sep=" ", timespec="microseconds").removesuffix("+00:00")


async def run(server: str, database: Database, until_idle_s: float | None = None) -> int:
    """Loads for ever, or until nothing came for `until_idle_s` seconds. Returns how many messages it took."""
    client = await nats.connect(server, max_reconnect_attempts=-1, allow_reconnect=True)
    stream = client.jetstream()
    await stream.add_stream(name=STREAM, subjects=[SUBJECTS], duplicate_window=600)
    taken, idle = 0, 0.0
    while until_idle_s is None or idle < until_idle_s:
        try:
            subscription = await stream.pull_subscribe(SUBJECTS, durable="clickhouse", stream=STREAM)
            messages = await subscription.fetch(BATCH, timeout=1)
            insert(database, [(json.loads(message.headers["pcap520-origin"]), message.data) for message in messages])
            await asyncio.gather(*(message.ack() for message in messages))
            taken, idle = taken + len(messages), 0.0
        except (asyncio.TimeoutError, TimeoutError):
            idle += 1
        except (NatsError, OSError) as fault:
            print(f"pcap520-fleet: not loaded, trying again: {fault or type(fault).__name__}", file=sys.stderr)
            await asyncio.sleep(1)
    await client.close()
    return taken


def insert(database: Database, lines: list[tuple[str, bytes]]) -> None:
    """Inserts the rows of lines of `pcap520 live`, each with the origin that it came from."""
    rows = defaultdict(list)
    for origin, text in lines:
        line = json.loads(text)
        if line.get("type") in _ROWS:
            table, make = _ROWS[line["type"]]
            row = make(line) | {"origin": origin}
            moment = row["first"] if table == "connections" else row["time"]
            rows[table].append(row | {"day": None if moment is None else f"{moment:%Y-%m-%d}"})
    for table, found in rows.items():
        database.insert(table, found)
