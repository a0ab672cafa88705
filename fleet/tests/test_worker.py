import hashlib
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from estate import packets, write

from pcap520_fleet import groups, listing
from pcap520_fleet.worker import Job

MIDNIGHT_S = 1_800_000_000 // 86400 * 86400


def run(job: Job) -> list:
    captures = [listing.look(job.prefix, *row) for row in listing.paths(job.prefix)]
    return [job.run(group) for group in groups.groups(captures)]


def rows(out: Path, table: str) -> list[dict]:
    return pq.read_table(out / table).to_pylist()


def digests(out: Path) -> dict[str, str]:
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.rglob("*.parquet"))}


@pytest.fixture
def race(labelled):
    return packets(labelled / "keepalive-race--nginx-2s.pcap")


@pytest.fixture
def job(tmp_path, program):
    return Job(str(tmp_path / "captures"), str(tmp_path / "tables"), program)


def test_a_connection_that_crosses_files_and_days_is_one_connection(tmp_path, race, job):
    header, records = race
    later = MIDNIGHT_S - records[0][0] - 3  # midnight falls into the idle time before the race
    for name, part in (("a.pcap", records[:48]), ("b.pcap", records[48:])):
        write(tmp_path / "captures/shop" / name, header, part, later)
    outcomes = run(job)
    assert [outcome.capture_group for outcome in outcomes] == ["shop/2027-01-14T00", "shop/2027-01-15T00"]
    (incident,) = rows(tmp_path / "tables", "incidents")
    assert (incident["cause"], incident["exchange"], str(incident["day"])) == ("keepalive-race", 2, "2027-01-15")
    assert len(rows(tmp_path / "tables", "connections")) == 3
    assert [row["path"] for row in rows(tmp_path / "tables", "captures")] == ["shop/a.pcap", "shop/b.pcap"]


def test_a_damaged_capture_is_a_row_and_hides_nothing(tmp_path, race, job):
    header, records = race
    good = write(tmp_path / "captures/shop/good.pcap", header, records).read_bytes()
    (tmp_path / "captures/shop/cut.pcap").write_bytes(good[:-5])
    (tmp_path / "captures/shop/no-capture.pcap").write_bytes(b"<html>" * 100)
    assert sum(outcome.incidents for outcome in run(job)) == 1
    found = {row["path"]: row["severity"] for row in rows(tmp_path / "tables", "problems")}
    assert found == {"shop/no-capture.pcap": "unreadable", "shop/cut.pcap": "weakens"}


def test_what_the_program_refuses_is_a_row(tmp_path, race, job):
    good = write(tmp_path / "captures/shop/bad-link.pcap", *race).read_bytes()
    (tmp_path / "captures/shop/bad-link.pcap").write_bytes(good[:20] + b"\xf3\x00\x00\x00" + good[24:])
    (outcome,) = run(job)
    (problem,) = rows(tmp_path / "tables", "problems")
    assert (outcome.problems, problem["path"], problem["severity"]) == (1, "shop/bad-link.pcap", "unreadable")
    assert "link type LINKTYPE_243" in problem["problem"]


def test_a_group_that_is_run_again_changes_nothing(tmp_path, race, job):
    write(tmp_path / "captures/shop/a.pcap", *race)
    first = run(job)
    before = digests(tmp_path / "tables")
    again = run(job)
    assert digests(tmp_path / "tables") == before
    assert [outcome.seconds for outcome in again] == [0.0] and again[0].incidents == first[0].incidents


def test_a_group_that_was_killed_half_way_is_made_whole(tmp_path, race, job):
    write(tmp_path / "captures/shop/a.pcap", *race)
    run(job)
    before = digests(tmp_path / "tables")
    (mark,) = (tmp_path / "tables/captures").rglob("*.parquet")
    mark.unlink()
    (half,) = (tmp_path / "tables/incidents").rglob("*.parquet")
    half.write_bytes(b"half a fi")
    run(job)
    after = digests(tmp_path / "tables")
    assert after.keys() == before.keys()
    assert [row["cause"] for row in rows(tmp_path / "tables", "incidents")] == ["keepalive-race"]


def test_other_options_run_a_group_again(tmp_path, race, job):
    write(tmp_path / "captures/shop/a.pcap", *race)
    run(job)
    (outcome,) = run(Job(job.prefix, job.out, job.program, ("--edge=generic",)))
    assert outcome.seconds > 0
    assert [row["edge_status"] for row in rows(tmp_path / "tables", "incidents")] == [502]
