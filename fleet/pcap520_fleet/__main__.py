"""`python -m pcap520_fleet`: the same as `pcap520-fleet`."""

import sys

from .cli import main

sys.exit(main())
