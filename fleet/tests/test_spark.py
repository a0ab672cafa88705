"""The two ways to run the groups give the same tables."""

import os
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
from estate import build

from pcap520_fleet.tables import SCHEMAS
from pcap520_fleet.worker import Job

FAULTS = ["keepalive-race--nginx-2s", "empty-response--close-after-request", "healthy--connection-close", "connect-refused--no-listener"]

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def session():
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    made = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").config("spark.sql.session.timeZone", "UTC").getOrCreate()
    yield made
    made.stop()


def by_spark(session, job: Job) -> list:
    from pcap520_fleet import spark

    return spark.run(session, job, r"(?P<origin>[^/]+)/", 24)


@pytest.fixture(scope="module")
def captures(tmp_path_factory, labelled) -> Path:
    folder = tmp_path_factory.mktemp("captures")
    known = sorted(path for name in FAULTS for path in labelled.glob(f"{name.split('--')[0]}--*.pcap"))
    assert build(folder, known, origins=8, days=3) == 24
    (folder / "origin-003" / "broken.pcap").write_bytes(b"no capture at all")
    return folder


def contents(out: Path) -> dict[str, list[tuple]]:
    return {
        table: duckdb.sql(f"FROM read_parquet('{out}/{table}/*/*/*.parquet', hive_partitioning = true) ORDER BY ALL").fetchall()
        for table in SCHEMAS
    }


def by_xargs(captures: Path, out: Path, program: str) -> None:
    fleet = f"{sys.executable} -m pcap520_fleet"
    pipe = f"{fleet} groups '{captures}' | tr '\\n' '\\0' | xargs -0 -n 8 -P 2 {fleet} run --program '{program}' --out '{out}'"
    subprocess.run(["sh", "-c", pipe], check=True, stdout=subprocess.DEVNULL)


def test_spark_and_xargs_give_equal_tables(session, captures, tmp_path, program):
    outcomes = by_spark(session, Job(str(captures), str(tmp_path / "spark"), program))
    by_xargs(captures, tmp_path / "xargs", program)
    found = contents(tmp_path / "spark")
    assert found == contents(tmp_path / "xargs")
    assert len(found["captures"]) == 24 and [row[1] for row in found["problems"] if row[2] == "unreadable"] == ["origin-003/broken.pcap"]
    assert len(found["incidents"]) == sum(outcome.incidents for outcome in outcomes) > 0


def test_a_job_that_was_killed_half_way_and_repeated_changes_nothing(session, captures, tmp_path, program):
    by_xargs(captures, tmp_path / "whole", program)
    killed = subprocess.Popen(
        [sys.executable, "-m", "pcap520_fleet", "spark", captures, "--master", "local[2]", "--program", program, "--out", tmp_path / "again"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while killed.poll() is None and len(list((tmp_path / "again").rglob("captures/*/*/*.parquet"))) < 5:
        time.sleep(0.05)
    killed.kill()
    killed.wait()
    for _ in range(2):
        by_spark(session, Job(str(captures), str(tmp_path / "again"), program))
        assert contents(tmp_path / "again") == contents(tmp_path / "whole")
