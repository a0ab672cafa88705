"""The live path with a real broker: what is written is in the tables, each incident once, whatever restarts."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pcap520_fleet import load
from pcap520_fleet.follow import Follower

INCIDENTS = int(os.environ.get("FLEET_INCIDENTS", "20000"))
TABLES = Path(__file__).resolve().parents[1] / "live/clickhouse.sql"


class Chdb:
    """ClickHouse's engine in this process."""

    def __init__(self, folder: Path):
        from chdb.session import Session

        self.session = Session(str(folder))
        for statement in TABLES.read_text().split(";\n"):
            if statement.strip():
                self.session.query(statement)

    def insert(self, table: str, rows: list[dict]) -> None:
        self.session.query(f"INSERT INTO pcap520.{table} FORMAT JSONEachRow\n{load.json_rows(rows)}")

    def one(self, query: str) -> int:
        return int(str(self.session.query(query, "TSV")))


@pytest.fixture
def broker(tmp_path):
    program = shutil.which("nats-server") or pytest.skip("no nats-server: `apt-get install nats-server`")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = tmp_path / "nats.conf"
    settings.write_text(f'listen: 127.0.0.1:{port}\njetstream {{ store_dir: "{tmp_path}/store" }}\n')

    class Broker:
        url = f"nats://127.0.0.1:{port}"

        def start(self):
            self.process = subprocess.Popen([program, "-c", settings], stderr=subprocess.DEVNULL)

        def kill(self):
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    made = Broker()
    made.start()
    yield made
    made.kill()


def line(number: int) -> bytes:
    second = number // 10
    moment = f"2026-11-{24 + second // 86400}T{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}.{number % 10}00000Z"
    return json.dumps(
        {
            "type": "incident", "id": f"id{number:06}", "cause": "empty-response", "layer": "application", "edge_status": 520, "origin_status": 0,
            "actor": "origin", "confidence": "certain", "exchange": 1, "summary": "The origin closed.", "fault": {"packet": 7, "time": moment},
            "connection": {"client": "192.0.2.1:4000", "server": "192.0.2.2:80", "sni": None},
            "request": {"method": "GET", "target": "/", "host": "shop.example", "ray": f"{number:016x}-FRA", "request_id": None},
            "evidence": [{"packet": 7, "time": moment, "note": "FIN"}],
        }
    ).encode()  # fmt: skip


@pytest.mark.engine
def test_none_is_lost_and_none_counted_twice_when_the_broker_and_the_shipper_are_killed(broker, tmp_path):
    report = tmp_path / "live.ndjson"
    report.write_bytes(b"")

    def ship():
        return subprocess.Popen(
            [sys.executable, "-m", "pcap520_fleet", "ship", report, "--nats", broker.url, "--origin", "shop 1.example", "--state", tmp_path / "state"],
            stderr=subprocess.DEVNULL,
        )

    shipper = ship()
    with report.open("ab") as out:
        for number in range(INCIDENTS):
            out.write(line(number) + b"\n")
            if number == INCIDENTS // 3:
                out.flush()
                broker.kill()
                broker.start()
            if number == INCIDENTS // 2:
                out.flush()
                shipper.kill()
                shipper.wait()
                # As after a crash between the server's word and the note of it: everything is sent again.
                shutil.rmtree(tmp_path / "state", ignore_errors=True)
                shipper = ship()
    delivered = report.stat().st_size
    until = time.monotonic() + 120
    while time.monotonic() < until and not _mark(tmp_path / "state/live.ndjson.json", delivered):
        time.sleep(0.2)
    shipper.kill()
    shipper.wait()
    database = Chdb(tmp_path / "clickhouse")
    asyncio.run(load.run(broker.url, database, until_idle_s=3))
    assert database.one("SELECT count() FROM pcap520.incidents FINAL") == INCIDENTS
    assert database.one("SELECT uniqExact(ray) FROM pcap520.incidents FINAL WHERE origin = 'shop 1.example'") == INCIDENTS


def _mark(state: Path, offset: int) -> bool:
    return state.exists() and json.loads(state.read_text())["offset"] == offset


@pytest.mark.engine
def test_rows_that_come_again_replace_themselves(tmp_path):
    database = Chdb(tmp_path / "clickhouse")
    for _ in range(3):
        load.insert(database, [("shop", line(1)), ("blog", line(1)), ("shop", b'{"type":"summary"}')])
    assert database.one("SELECT count() FROM pcap520.incidents FINAL") == 2
    assert database.one("SELECT count() FROM pcap520.incidents FINAL WHERE evidence.packet = [7] AND toHour(time) = 0 AND day = '2026-11-24'") == 2


@pytest.fixture
def follower(tmp_path):
    return Follower(str(tmp_path / "live.ndjson"), str(tmp_path / "state"))


def take(follower: Follower) -> list[bytes]:
    taken = []
    while (lines := follower.read()) is not None:
        taken += lines.lines
        follower.delivered(lines)
    return taken


def test_a_line_is_taken_when_it_is_whole(follower, tmp_path):
    assert take(follower) == []
    (tmp_path / "live.ndjson").write_bytes(b"one\ntw")
    assert take(follower) == [b"one"]
    with (tmp_path / "live.ndjson").open("ab") as file:
        file.write(b"o\n")
    assert take(follower) == [b"two"]


def test_a_rotated_file_is_read_to_its_end_first(follower, tmp_path):
    live = tmp_path / "live.ndjson"
    live.write_bytes(b"one\n")
    assert take(follower) == [b"one"]
    with live.open("ab") as file:
        file.write(b"two\n")
    live.rename(tmp_path / "live.ndjson.1")
    live.write_bytes(b"three\n")
    assert take(follower) == [b"two", b"three"]
    assert follower.lost_files == 0


def test_a_file_that_was_rotated_away_is_counted(follower, tmp_path):
    live = tmp_path / "live.ndjson"
    live.write_bytes(b"one\n")
    assert take(follower) == [b"one"]
    live.rename(tmp_path / "elsewhere")
    live.write_bytes(b"three\n")
    assert take(follower) == [b"three"]
    assert follower.lost_files == 1


def test_a_file_that_was_truncated_begins_anew(follower, tmp_path):
    live = tmp_path / "live.ndjson"
    live.write_bytes(b"one\ntwo\n")
    assert take(follower) == [b"one", b"two"]
    live.write_bytes(b"x\n")
    assert take(follower) == [b"x"]
