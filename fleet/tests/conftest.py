"""What the tests share: the program, and estates made of the labelled captures."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def program() -> str:
    """The pcap520 to test with: `PCAP520`, or the one that was built last."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = [path for path in (target / "release/pcap520", target / "debug/pcap520") if path.exists()]
    found = os.environ.get("PCAP520") or (str(max(built, key=lambda path: path.stat().st_mtime)) if built else shutil.which("pcap520"))
    if not found:
        pytest.fail("no pcap520: build it (`make build`), or name one in PCAP520")
    return found


@pytest.fixture(scope="session")
def labelled() -> Path:
    """The labelled captures in clear text."""
    return ROOT / "testdata/corpus/plain"
