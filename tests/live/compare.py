#!/usr/bin/env python3
"""compare.py LIVE.ndjson ANALYZE.json CAUSE...: live has told each incident once, and as analyze judges it.

SAME_PACKETS=1: both have read the same file, so the ids are the same, too. Two sockets stamp a packet with two times.
"""

import json
import os
import sys
from collections import Counter

lines = [json.loads(line) for line in open(sys.argv[1])]
live = [line for line in lines if line["type"] == "incident"]
read = json.load(open(sys.argv[2]))["incidents"]


def key(incident):
    return incident["connection"]["client"], incident["exchange"], incident["cause"]


problems = []
for one, many in Counter(map(key, live)).items():
    if many > 1:
        problems.append(f"told {many} times: {one}")
for one in sorted(set(map(key, live)) ^ set(map(key, read)), key=str):
    problems.append(f"only {'live' if one in set(map(key, live)) else 'analyze'} says {one}")
missing = Counter(sys.argv[3:]) - Counter(incident["cause"] for incident in live)
problems += [f"not told: {cause}" for cause in missing]
unnamed = [line for line in lines if line.get("origin_name") != "lab"]
problems += [f"{len(unnamed)} lines do not name their origin"] if unnamed else []
if os.environ.get("SAME_PACKETS"):
    ids = {key(incident): incident["id"] for incident in read}
    other = [incident for incident in live if ids.get(key(incident)) not in (None, incident["id"])]
    problems += [f"another id in live: {key(incident)}" for incident in other]
print(f"{len(live)} incidents live, {len(read)} by analyze")
for problem in problems:
    print(problem)
sys.exit(1 if problems else 0)
