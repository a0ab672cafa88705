"""Asks the questions of `sql/` of the tables, in three engines with one text.

A question is one SELECT over the views `captures`, `problems`, `incidents`, `observations` and `connections`. What it wants to know from
the asker stands in it as `:name`.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .tables import SCHEMAS

if TYPE_CHECKING:
    import duckdb
    from chdb.session import Session
    from pyspark.sql import DataFrame, SparkSession

_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")


def text(question: str, parameters: dict[str, str]) -> str:
    """The SQL of a question, with its parameters as string literals. Raises `ValueError` where one is missing or too many."""
    sql = "\n".join(line for line in Path(question).read_text(encoding="utf-8").splitlines() if not line.startswith("--"))
    wanted = set(_PARAMETER.findall(sql))
    if wanted != set(parameters):
        raise ValueError(f"{question} asks for {sorted(wanted)}, not for {sorted(parameters)}")
    return _PARAMETER.sub(lambda match: _literal(parameters[match[1]]), sql)


def _literal(value: str) -> str:
    # Spark and ClickHouse take a backslash for an escape, DuckDB does not; no question needs one.
    if "\\" in value:
        raise ValueError(f"{value!r}: no backslash may stand in a parameter")
    return "'" + value.replace("'", "''") + "'"


def ask_duckdb(out: str, question: str, parameters: dict[str, str]) -> "duckdb.DuckDBPyRelation":
    """The answer by DuckDB."""
    import duckdb

    session = duckdb.connect()
    session.execute("SET TimeZone = 'UTC'")
    for table in SCHEMAS:
        session.execute(f"CREATE VIEW {table} AS FROM read_parquet({_literal(f'{out}/{table}/*/*/*.parquet')}, hive_partitioning = true)")
    return session.sql(text(question, parameters))


def ask_spark(session: "SparkSession", out: str, question: str, parameters: dict[str, str]) -> "DataFrame":
    """The answer by Spark SQL. The session's time zone has to be UTC."""
    for table in SCHEMAS:
        session.read.parquet(f"{out}/{table}").createOrReplaceTempView(table)
    return session.sql(text(question, parameters))


def ask_clickhouse(session: "Session", out: str, question: str, parameters: dict[str, str]) -> list[dict[str, Any]]:
    """The answer by ClickHouse's engine, in this process."""
    import json

    # Spark and DuckDB agree on this name.
    session.query("CREATE FUNCTION IF NOT EXISTS array_contains AS (list, item) -> has(list, item)")
    for table in SCHEMAS:
        files = _literal(f"{Path(out).absolute()}/{table}/*/*/*.parquet")
        session.query(f"CREATE OR REPLACE VIEW {table} AS SELECT * FROM file({files}, Parquet)")
    return json.loads(str(session.query(text(question, parameters), "JSON")))["data"]
