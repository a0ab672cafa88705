"""`pcap520-fleet`: list the groups, run one, run all on Spark, ask."""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import asdict

from .groups import Group, groups
from .listing import LAYOUT, look, paths
from .worker import Job, Outcome


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="pcap520-fleet", description=__doc__)
    commands = parser.add_subparsers(required=True)

    listing = commands.add_parser("groups", help="print the groups of a prefix, one line of JSON each")
    _grouping(listing)
    listing.set_defaults(run=_groups)

    worker = commands.add_parser("run", help="run groups, from the command line or standard input, one line each")
    _job(worker)
    worker.add_argument("groups", nargs="*", metavar="GROUP", help="lines of `pcap520-fleet groups`")
    worker.set_defaults(run=_run)

    spark = commands.add_parser("spark", help="run all groups of a prefix on Spark")
    _grouping(spark)
    _job(spark)
    spark.add_argument("--master", default="local[*]", help="where Spark runs (default: local[*])")
    spark.set_defaults(run=_spark)

    ask = commands.add_parser("ask", help="answer a question of sql/ with DuckDB, as CSV")
    ask.add_argument("out", help="folder of the tables")
    ask.add_argument("question", help="SQL file")
    ask.add_argument("parameters", nargs="*", metavar="NAME=VALUE", help="what the question wants to know")
    ask.set_defaults(run=_ask)

    ship = commands.add_parser("ship", help="publish the NDJSON that `pcap520 live` writes to NATS JetStream")
    ship.add_argument("file", help="file that `pcap520 live --format ndjson -o FILE` writes")
    ship.add_argument("--nats", default="nats://127.0.0.1:4222", help="server (default: %(default)s)")
    ship.add_argument("--origin", default=os.uname().nodename, help="name of this origin (default: the host's)")
    ship.add_argument("--state", default="/var/lib/pcap520/ship", help="folder that remembers what was sent (default: %(default)s)")
    ship.set_defaults(run=_ship)

    load = commands.add_parser("load", help="carry what was published from NATS JetStream into ClickHouse")
    load.add_argument("--nats", default="nats://127.0.0.1:4222", help="server (default: %(default)s)")
    load.add_argument("--clickhouse", default="http://127.0.0.1:8123", help="HTTP interface (default: %(default)s)")
    load.set_defaults(run=_load)

    arguments = parser.parse_args()
    try:
        return arguments.run(arguments)
    except (ValueError, OSError) as fault:
        print(f"pcap520-fleet: {fault}", file=sys.stderr)
        return 2


def _grouping(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prefix", help="folder or object-store prefix of the captures")
    parser.add_argument("--layout", default=LAYOUT, help="regular expression that finds `origin` in a name (default: %(default)s)")
    parser.add_argument("--window-hours", type=int, default=24, help="hours of captures in one group (default: %(default)s)")


def _job(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", required=True, help="folder or object-store prefix of the tables")
    parser.add_argument("--program", default="pcap520", help="the pcap520 to run (default: %(default)s)")
    parser.add_argument("--option", action="append", default=[], help="option of `pcap520 analyze`, such as --option=--edge=generic")
    if parser.prog.endswith(" run"):
        parser.add_argument("--prefix", default="", help="object-store prefix that the groups were listed from")


def _groups(arguments: argparse.Namespace) -> int:
    captures = [look(arguments.prefix, *row) for row in paths(arguments.prefix, arguments.layout)]
    for group in groups(captures, arguments.window_hours):
        print(group.dump())
    return 0


def _run(arguments: argparse.Namespace) -> int:
    job = Job(arguments.prefix, arguments.out, arguments.program, tuple(arguments.option))
    for line in arguments.groups or sys.stdin:
        _print(job.run(Group.load(line)))
    return 0


def _spark(arguments: argparse.Namespace) -> int:
    import shutil

    from pyspark.sql import SparkSession

    from . import spark

    program = shutil.which(arguments.program)
    if program is None:
        raise ValueError(f"{arguments.program}: no such program; pass --program")
    # Executors on this machine run the same Python, with the same packages.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    session = SparkSession.builder.master(arguments.master).appName("pcap520").getOrCreate()
    job = Job(arguments.prefix, arguments.out, program, tuple(arguments.option))
    for outcome in spark.run(session, job, arguments.layout, arguments.window_hours):
        _print(outcome)
    session.stop()
    return 0


def _ask(arguments: argparse.Namespace) -> int:
    from . import questions

    parameters = dict(parameter.partition("=")[::2] for parameter in arguments.parameters)
    questions.ask_duckdb(arguments.out, arguments.question, parameters).write_csv("/dev/stdout")
    return 0


def _ship(arguments: argparse.Namespace) -> int:
    from . import ship

    return _forever(lambda: ship.run(arguments.file, arguments.nats, arguments.origin, arguments.state))


def _load(arguments: argparse.Namespace) -> int:
    from . import load

    return _forever(lambda: load.run(arguments.nats, load.ClickHouse(arguments.clickhouse)))


def _forever(run: Callable) -> int:
    import asyncio

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        pass
    return 0


def _print(outcome: Outcome) -> None:
    print("\t".join(str(value) if not isinstance(value, float) else f"{value:.3f}" for value in asdict(outcome).values()), flush=True)
