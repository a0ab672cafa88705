"""The batch on Apache Spark: one task a group.

Spark hands out the groups, runs a lost one again and shows how far it is; the rows never pass through it.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace

import pandas as pd
from pyspark import SparkFiles
from pyspark.sql import SparkSession

from .groups import Group, groups
from .listing import Capture, look, paths
from .worker import Job, Outcome

LOOKS_A_TASK = 1000
"""Captures whose first packet one task looks at."""

_CAPTURE = "path string, name string, origin string, bytes long, first_ns long, problem string"
_OUTCOME = "origin string, capture_group string, captures long, bytes long, incidents long, problems long, seconds double"


def run(session: SparkSession, job: Job, layout: str, window_hours: int) -> list[Outcome]:
    """Runs `job` over all captures below its prefix, and returns what became of each group.

    The program is shipped to the executors, so that they need nothing but this package.
    """
    session.sparkContext.addFile(job.program)
    found = groups(_captures(session, job.prefix, layout), window_hours)
    if not found:
        return []
    # The biggest first, so that no big one begins when all others are done.
    found.sort(key=lambda group: -sum(capture.bytes for capture in group.own))
    lines = session.createDataFrame([(group.dump(),) for group in found], "line string").repartition(len(found))
    shipped = replace(job, program=os.path.basename(job.program))
    outcomes = lines.mapInPandas(_task(shipped), _OUTCOME).collect()
    return sorted((Outcome(**row.asDict()) for row in outcomes), key=lambda outcome: outcome.capture_group)


def _captures(session: SparkSession, prefix: str, layout: str) -> list[Capture]:
    listed = paths(prefix, layout)
    if not listed:
        return []
    frame = session.createDataFrame(listed, "path string, name string, origin string, size long, changed_ns long")

    def looks(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            yield pd.DataFrame([asdict(look(prefix, *row)) for row in batch.itertuples(index=False)])

    tasks = -(-len(listed) // LOOKS_A_TASK)
    return [Capture(**row.asDict()) for row in frame.repartition(tasks).mapInPandas(looks, _CAPTURE).collect()]


def _task(job: Job):
    def run_groups(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        here = replace(job, program=SparkFiles.get(job.program))
        for batch in batches:
            yield pd.DataFrame([asdict(here.run(Group.load(line))) for line in batch["line"]])

    return run_groups
