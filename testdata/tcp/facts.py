#!/usr/bin/env python3
"""What tshark says of the TCP streams of every capture beside this file, one JSON object a line.

    facts.py FILE... > facts.jsonl

Needs tshark. Frames are tshark's frame numbers, streams its tcp.stream.
"""
import json
import subprocess
import sys

FLAGS = {
    "retransmitted": "tcp.analysis.retransmission",
    "fast_retransmitted": "tcp.analysis.fast_retransmission",
    "spurious": "tcp.analysis.spurious_retransmission",
    "out_of_order": "tcp.analysis.out_of_order",
    "after_hole": "tcp.analysis.lost_segment",
    "acked_unseen": "tcp.analysis.ack_lost_segment",
    "zero_windows": "tcp.analysis.zero_window",
    "window_probes": "tcp.analysis.zero_window_probe",
    "keep_alive_probes": "tcp.analysis.keep_alive",
}
FIELDS = ["frame.number", "tcp.stream", "tcp.completeness", "communityid", "tcp.flags.syn", "tcp.flags.reset", *FLAGS.values()]


def last(text):
    """The innermost value, where there are several."""
    return text.split(",")[-1]


def facts(path):
    command = ["tshark", "-r", path, "-2", "-n", "--enable-protocol", "communityid", "-o", "tcp.check_checksum:FALSE"]
    command += ["-T", "fields", "-E", "separator=\t", "-E", "occurrence=a"]
    for field in FIELDS:
        command += ["-e", field]
    streams = {}
    for line in subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines():
        row = dict(zip(FIELDS, line.split("\t")))
        if not row.get("tcp.stream"):
            continue
        stream = streams.setdefault(int(last(row["tcp.stream"])), {"syn": [], "rst": [], **dict.fromkeys(FLAGS, 0)})
        stream["completeness"] = int(last(row["tcp.completeness"]))
        stream["community_id"] = last(row["communityid"])
        for key, field in (("syn", "tcp.flags.syn"), ("rst", "tcp.flags.reset")):
            if last(row[field]) in ("1", "True"):
                stream[key].append(int(row["frame.number"]))
        for key, field in FLAGS.items():
            stream[key] += bool(row[field])
    return {"file": path, "streams": [streams[index] for index in sorted(streams)]}


for path in sys.argv[1:]:
    print(json.dumps(facts(path)))
