"""A small estate with known answers, asked in three engines."""

from datetime import datetime, timezone
from pathlib import Path

import pytest
from estate import packets, write

from pcap520_fleet import groups, listing, questions
from pcap520_fleet.worker import Job

SQL = Path(__file__).resolve().parents[1] / "sql"
DAY_S = 86400
BASE = datetime(2026, 11, 24, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def out(tmp_path_factory, labelled, program) -> str:
    """Shop has the race on two days, blog refuses connections on the second, docs is well, and the certificates of bank end."""
    root = tmp_path_factory.mktemp("estate")
    race, refused, healthy = (
        packets(labelled / f"{name}.pcap") for name in ("keepalive-race--nginx-2s", "connect-refused--no-listener", "healthy--connection-close")
    )
    expiring, expired = (packets(labelled.parent / "tls" / f"{name}.pcap") for name in ("healthy--tls-lax-cert-soon", "healthy--tls-lax-cert-expired"))
    write(root / "captures/shop/1.pcap", *race)
    write(root / "captures/shop/2.pcap", *race, later_s=DAY_S)
    write(root / "captures/blog/1.pcap", *refused, later_s=DAY_S)
    write(root / "captures/docs/1.pcap", *healthy)
    write(root / "captures/bank/1.pcap", *expiring)
    write(root / "captures/bank/2.pcap", *expired, later_s=DAY_S)
    (root / "captures/docs/2.pcap").write_bytes(b"no capture")
    job = Job(str(root / "captures"), str(root / "tables"), program)
    for group in groups.groups([listing.look(job.prefix, *row) for row in listing.paths(job.prefix)]):
        job.run(group)
    return job.out


@pytest.fixture(scope="module", params=["duckdb", *(pytest.param(name, marks=pytest.mark.engine) for name in ("spark", "clickhouse"))])
def ask(request, out):
    """Asks one engine; answers are rows of columns as text, so that engines can be compared."""
    if request.param == "duckdb":
        relations = lambda name, wanted: questions.ask_duckdb(out, SQL / name, wanted)
        yield lambda name, **wanted: [list(map(plain, row)) for row in relations(name, wanted).fetchall()]
    elif request.param == "spark":
        from pyspark.sql import SparkSession

        session = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config("spark.sql.session.timeZone", "UTC").getOrCreate()
        yield lambda name, **wanted: [list(map(plain, row)) for row in questions.ask_spark(session, out, SQL / name, wanted).collect()]
        session.stop()
    else:
        from chdb.session import Session

        session = Session()
        yield lambda name, **wanted: [list(map(plain, row.values())) for row in questions.ask_clickhouse(session, out, SQL / name, wanted)]
        session.close()


def plain(value) -> str:
    if isinstance(value, datetime):
        value = value.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")
    text = str(value)
    return text.split(".")[0] if text[:2] == "20" else text


def test_incidents_by_hour(ask):
    rows = [(origin, cause, status, hour, count) for origin, _, cause, status, hour, count in ask("incidents-by-hour.sql")]
    races = [("shop", "keepalive-race", "520", f"2026-11-{day} 00:00:00", "1") for day in (24, 25)]
    assert [row for row in rows if row[0] == "shop"] == races
    assert {row[:4] for row in rows if row[0] == "blog"} == {("blog", "connect-refused", "521", "2026-11-25 00:00:00")}


def test_causes_of_the_estate(ask):
    found = {row[0]: row[1:4] + [row[4][:10], row[5][:10]] for row in ask("causes.sql")}
    assert found["keepalive-race"] == ["520", "2", "1", "2026-11-24", "2026-11-25"]
    assert set(found) == {"keepalive-race", "connect-refused"}


def test_origins_with_a_short_idle_timeout(ask):
    ((origin, summary, races),) = ask("short-idle-timeouts.sql")
    assert (origin, races) == ("shop", "2") and "closes idle connections after 2.0" in summary


def test_resets_by_hop(ask):
    assert {tuple(row[:3]) for row in ask("resets-by-hop.sql")} == {("origin", "connect-refused", "blog")}


def test_certificates_that_end_within_30_days_or_would_fail(ask):
    rows = ask("certificates.sql", at="2026-11-24 00:00:00")
    assert {(origin, name, subject, ends) for origin, _, name, subject, _, ends, *_ in rows} == {
        ("bank", "api.example.net", "CN=api.example.net", "2026-11-22 00:21:46"),
        ("bank", "shop.example", "CN=shop.example", "2026-11-30 00:21:46"),
    }
    assert [row[6].startswith("it expired on 2026-11-22") for row in rows] == [True, False]


def test_a_ray_over_the_hops(ask):
    rows = ask("ray.sql", ray="6d775db8599953dc-FRA")
    assert [(seen, origin) for seen, origin, *_ in rows] == [("connection", "shop"), ("incident", "shop")] * 2
    assert rows[1][5] == "keepalive-race"
    assert ask("ray.sql", ray="0000000000000000-XXX") == []


def test_what_a_change_made_worse(ask):
    window = {"from": "2026-11-24 00:00:00", "until": "2026-11-26 00:00:00"}
    found = {tuple(row[:2]): row[2:] for row in ask("before-after.sql", at="2026-11-25 00:00:00", **window)}
    assert found["shop", "keepalive-race"] == ["1", "1"]
    before, after = found["blog", "connect-refused"]
    assert before == "0" and int(after) > 0


def test_captures_with_problems(ask):
    assert [row[:3] for row in ask("problems.sql")] == [["docs", "docs/2.pcap", "unreadable"]]


def test_a_parameter_cannot_leave_its_quotes(out):
    assert questions.ask_duckdb(out, SQL / "ray.sql", {"ray": "x' OR '1'='1"}).fetchall() == []
    with pytest.raises(ValueError, match="backslash"):
        questions.text(SQL / "ray.sql", {"ray": "x\\"})
    with pytest.raises(ValueError, match="asks for"):
        questions.text(SQL / "ray.sql", {})
