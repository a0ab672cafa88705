import gzip
import json
import subprocess
from datetime import datetime

import pytest

from pcap520_fleet import listing
from pcap520_fleet.first_packet import Unreadable, first_packet_ns


def test_the_first_packet_is_when_the_program_says_it_is(program, labelled):
    captures = sorted(path for path in labelled.iterdir() if listing.NAMES.search(path.name))
    captures = captures[::8] + [path for path in captures if path.suffix != ".pcap"]
    assert {".pcap", ".pcapng", ".gz"} <= {path.suffix for path in captures}
    report = subprocess.run([program, "analyze", "--format", "json", *captures], capture_output=True, check=True)
    for capture, path in zip(json.loads(report.stdout)["captures"], captures, strict=True):
        first = first_packet_ns(path.read_bytes()[: listing.HEAD_BYTES])
        said = datetime.fromisoformat(capture["first"])
        assert first // 1000 == round(said.timestamp() * 1_000_000), path


def test_gzip_is_looked_through(labelled):
    plain = next(labelled.glob("*.pcap")).read_bytes()
    assert first_packet_ns(gzip.compress(plain)[: listing.HEAD_BYTES]) == first_packet_ns(plain)


@pytest.mark.parametrize("head", [b"", b"\xd4\xc3\xb2\xa1", b"GET / HTTP/1.1\r\n", b"\x0a\x0d\x0d\x0a\x00\x00\x00\x00" * 4, b"\x1f\x8b damaged"])
def test_what_is_no_capture_says_so(head):
    with pytest.raises(Unreadable):
        first_packet_ns(head)


def test_a_name_without_an_origin_is_refused(tmp_path):
    (tmp_path / "alone.pcap").write_bytes(b"")
    with pytest.raises(ValueError, match="alone.pcap"):
        listing.paths(str(tmp_path))


def test_only_captures_are_listed(tmp_path):
    for name in ("edge.pcap", "edge.pcap07", "edge.pcapng.gz", "notes.txt", "edge.pcap.keys"):
        (tmp_path / "a").mkdir(exist_ok=True)
        (tmp_path / "a" / name).write_bytes(b"")
    assert [name for _, name, *_ in listing.paths(str(tmp_path))] == ["a/edge.pcap", "a/edge.pcap07", "a/edge.pcapng.gz"]
