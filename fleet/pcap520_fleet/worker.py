"""One group in, one Parquet file a table out.

The file is named by its group (`TABLE/origin=ORIGIN/day=DAY/HOUR.parquet`) and replaced in one step, `captures` last. So a group
that is run again, or twice at once by a scheduler that lost patience, leaves the same files; one that was killed leaves the files
as they were, or some new and some old until it is run again.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time as clock
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from . import tables
from .groups import NS, Group
from .listing import Capture, file_system

BATCH = 4096
"""Rows that are held before they are written."""

_FINGERPRINT = b"pcap520-fleet"


@dataclass(frozen=True)
class Outcome:
    """What became of one group."""

    origin: str
    capture_group: str
    captures: int
    bytes: int
    incidents: int
    problems: int
    seconds: float
    """Wall time; 0 where nothing had changed since the group was run before."""


@dataclass(frozen=True)
class Job:
    """What is the same for every group."""

    prefix: str
    """Where the captures are."""
    out: str
    """Where the tables are: a folder or an object-store prefix."""
    program: str
    """The pcap520 to run."""
    options: tuple[str, ...] = ()
    """More of its options, such as `--edge generic`."""

    def run(self, group: Group) -> Outcome:
        """Runs one group, unless its files are there and nothing has changed. A capture that cannot be read is a row in `problems`."""
        begin = clock.monotonic()
        target = _Target(self.out, group, self._fingerprint(group))
        if (done := target.done()) is not None:
            return done
        with tempfile.TemporaryDirectory(prefix="pcap520-") as folder:
            rows = _Rows(group, Path(folder))
            self._analyze(group, rows, Path(folder))
            outcome = Outcome(
                group.origin,
                target.name,
                len(group.own),
                sum(capture.bytes for capture in group.own),
                rows.counts["incidents"],
                rows.counts["problems"],
                clock.monotonic() - begin,
            )
            target.replace(rows.close(), outcome)
        return outcome

    def _fingerprint(self, group: Group) -> str:
        version = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        return json.dumps([version, self.options, group.fingerprint()])

    def _analyze(self, group: Group, rows: "_Rows", folder: Path) -> None:
        for capture in group.own:
            if capture.problem is not None:
                rows.problem(capture.name, "unreadable", capture.problem)
        readable = sorted((c for c in (*group.around, *group.own) if c.problem is None), key=lambda c: (c.first_ns, c.name))
        paths = {str(self._fetch(capture, folder, number)): capture for number, capture in enumerate(readable)}
        report = folder / "report.ndjson"
        complaint = self._report(list(paths), report)
        if complaint is not None:
            # One of them is at fault. Each by itself says which; the others are analysed without it.
            complaints = {path: self._report([path], report) for path in paths}
            for path, text in complaints.items():
                if text is not None and paths[path] in group.own:
                    rows.problem(paths[path].name, "unreadable", text)
            paths = {path: capture for path, capture in paths.items() if complaints[path] is None}
            complaint = self._report(list(paths), report)
        if complaint is not None:
            rows.problem(None, "failed", complaint)
            return
        with report.open(encoding="utf-8") as lines:
            for line in lines:
                rows.add(json.loads(line), paths)

    def _report(self, paths: list[str], report: Path) -> str | None:
        """Writes the report; returns what the program complained of where it could not."""
        report.write_text("")
        if not paths:
            return None
        command = [self.program, "analyze", "--format", "ndjson", "--connections", *self.options, "-o", str(report), *paths]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
        if done.returncode in (0, 1):
            return None
        complaint, _, _ = done.stderr.strip().partition("\n")
        return complaint or f"pcap520 ended with status {done.returncode}"

    def _fetch(self, capture: Capture, folder: Path, number: int) -> Path:
        """The capture as a file of this machine."""
        store, _ = file_system(self.prefix)
        if isinstance(store, fs.LocalFileSystem):
            return Path(capture.path).absolute()
        copy = folder / f"{number:06}-{Path(capture.name).name}"
        with store.open_input_stream(capture.path) as source, copy.open("wb") as out:
            shutil.copyfileobj(source, out, 1 << 20)
        return copy


class _Rows:
    """The rows of a group, written to Parquet files as they come."""

    def __init__(self, group: Group, folder: Path):
        self.group = group
        self.counts = dict.fromkeys(tables.SCHEMAS, 0)
        self._pending = {name: [] for name in tables.SCHEMAS}
        self._paths = {name: folder / f"{name}.parquet" for name in tables.SCHEMAS}
        self._writers = {
            name: pq.ParquetWriter(self._paths[name], schema, compression="zstd") for name, schema in tables.SCHEMAS.items()
        }

    def add(self, line: dict, captures: dict[str, Capture]) -> None:
        """Takes one line of the report, if it belongs to this group."""
        match line["type"]:
            case "capture" if (capture := captures[line["path"]]) in self.group.own:
                self._row("captures", tables.capture(line | {"path": capture.name}))
                for problem in line["problems"]:
                    self.problem(capture.name, "weakens", problem)
            case "incident":
                self._timed("incidents", tables.incident(line), "time")
            case "observation":
                self._timed("observations", tables.observation(line), "time")
            case "connection":
                self._timed("connections", tables.connection(line), "first")
            case "summary":
                for caveat in line["caveats"]:
                    self.problem(None, "weakens", caveat)

    def problem(self, path: str | None, severity: str, text: str) -> None:
        """A capture, or with no path the group, that is not or not wholly analysed."""
        self._row("problems", {"path": path, "severity": severity, "problem": text})

    def close(self) -> dict[str, Path]:
        """Writes what is pending and returns the file of each table."""
        for name, writer in self._writers.items():
            self._flush(name)
            writer.close()
        return self._paths

    def _timed(self, table: str, row: dict, column: str) -> None:
        moment = row[column]
        if moment is None or self.group.keep_from_ns <= _ns(moment) < self.group.keep_until_ns:
            self._row(table, row)

    def _row(self, table: str, row: dict) -> None:
        self.counts[table] += 1
        self._pending[table].append(row | {"capture_group": group_name(self.group)})
        if len(self._pending[table]) >= BATCH:
            self._flush(table)

    def _flush(self, table: str) -> None:
        if self._pending[table]:
            self._writers[table].write_table(pa.Table.from_pylist(self._pending[table], schema=tables.SCHEMAS[table]))
            self._pending[table].clear()


class _Target:
    """The files of one group in the tables."""

    def __init__(self, out: str, group: Group, fingerprint: str):
        self.store, self.root = file_system(out)
        self.name = group_name(group)
        self.group = group
        self.fingerprint = fingerprint
        start = datetime.fromtimestamp(group.start_ns // NS, timezone.utc)
        self.place = f"origin={quote(group.origin, safe='')}/day={start:%Y-%m-%d}/{start:%H}.parquet"

    def done(self) -> Outcome | None:
        """The outcome of an earlier run, where running again would give the same."""
        try:
            with self.store.open_input_file(f"{self.root}/captures/{self.place}") as file:
                said = json.loads((pq.read_schema(file).metadata or {}).get(_FINGERPRINT, b"null"))
        except (OSError, pa.ArrowInvalid):
            return None
        if said is None or said["fingerprint"] != self.fingerprint:
            return None
        return Outcome(**said["outcome"] | {"seconds": 0.0})

    def replace(self, files: dict[str, Path], outcome: Outcome) -> None:
        """Puts the files of a run into the tables: `captures` last, with the mark that it is done."""
        said = json.dumps({"fingerprint": self.fingerprint, "outcome": outcome.__dict__})
        captures = pq.read_table(files["captures"])
        pq.write_table(captures.replace_schema_metadata({_FINGERPRINT: said.encode()}), files["captures"], compression="zstd")
        for table in sorted(files, key=lambda name: name == "captures"):
            self._put(files[table], f"{self.root}/{table}/{self.place}")

    def _put(self, file: Path, path: str) -> None:
        folder = os.path.dirname(path)
        if not isinstance(self.store, fs.LocalFileSystem):
            # An object appears when its upload is complete.
            with file.open("rb") as source, self.store.open_output_stream(path) as out:
                shutil.copyfileobj(source, out, 1 << 20)
            return
        os.makedirs(folder, exist_ok=True)
        # Readers of Parquet folders pass over names that begin with a point.
        unfinished = f"{folder}/.{uuid4().hex}"
        shutil.copyfile(file, unfinished)
        os.replace(unfinished, path)


def group_name(group: Group) -> str:
    """What the tables call a group: `ORIGIN/2026-11-24T00`."""
    return f"{group.origin}/{datetime.fromtimestamp(group.start_ns // NS, timezone.utc):%Y-%m-%dT%H}"


def _ns(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // _MICROSECOND * 1000


_MICROSECOND = datetime.resolution
