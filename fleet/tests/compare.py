"""Times Spark against xargs on the same captures, by turns. Prints seconds and the ratio of the medians.

Spark's own time is that of the groups, taken after the session is up and one group has run on every worker.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from pcap520_fleet import spark
from pcap520_fleet.worker import Job


def by_xargs(arguments: argparse.Namespace, out: str) -> float:
    fleet = f"{sys.executable} -m pcap520_fleet"
    begin = time.monotonic()
    pipe = (
        f"{fleet} groups '{arguments.captures}' --layout '{arguments.layout}' | tr '\\n' '\\0'"
        f" | xargs -0 -n 16 -P {arguments.jobs} {fleet} run --program '{arguments.program}' --out '{out}'"
    )
    subprocess.run(["sh", "-c", pipe], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begin


def by_spark(arguments: argparse.Namespace, session, out: str) -> float:
    begin = time.monotonic()
    spark.run(session, Job(arguments.captures, out, arguments.program), arguments.layout, 24)
    return time.monotonic() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("--captures", required=True)
    parser.add_argument("--layout", default=r"(?P<origin>[^/]+)/")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    session = SparkSession.builder.master(f"local[{arguments.jobs}]").config("spark.ui.enabled", "false").getOrCreate()
    session.range(arguments.jobs * 4).mapInPandas(lambda batches: batches, "id long").collect()
    times = {"xargs": [], "spark": []}
    for _ in range(arguments.rounds):
        for name in times:
            out = tempfile.mkdtemp()
            times[name].append(by_xargs(arguments, out) if name == "xargs" else by_spark(arguments, session, out))
            shutil.rmtree(out)
    session.stop()
    for name, seconds in times.items():
        print(f"{name}: " + ", ".join(f"{second:.1f}" for second in seconds) + f" s, median {statistics.median(seconds):.1f} s")
    print(f"spark / xargs: {statistics.median(times['spark']) / statistics.median(times['xargs']):.2f}")


if __name__ == "__main__":
    main()
