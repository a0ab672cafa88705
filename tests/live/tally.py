#!/usr/bin/env python3
"""tally.py FILE: counts the incidents in NDJSON on standard input by cause, and writes the counts at its end."""

import json
import sys
from collections import Counter

causes = Counter()
for line in sys.stdin:
    told = json.loads(line)
    if told["type"] == "incident":
        causes[told["cause"]] += 1
with open(sys.argv[1], "w") as file:
    for cause, number in sorted(causes.items()):
        print(f"{number:7} {cause}", file=file)
