#!/usr/bin/env python3
"""What tshark says of HTTP/2 in the captures of this folder's neighbours, one JSON object a capture.

    python3 testdata/http2/oracle.py        writes oracle.jsonl beside it

NAME.keys beside NAME.pcap is its TLS key log. A capture stands here where tshark finds HTTP/2 in it.
"""
import collections, json, os, pathlib, subprocess, sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent


def each(value):
    return value if isinstance(value, list) else [] if value is None else [value]


def named(tree, name):
    """Every value with this name, at whatever depth, in the order of the frame."""
    if isinstance(tree, list):
        return [found for item in tree for found in named(item, name)]
    if not isinstance(tree, dict):
        return []
    own = each(tree.get(name))
    return own + [found for key, item in tree.items() if key != name for found in named(item, name)]


def facts(path):
    keys = path.with_suffix(".keys")
    command = ["tshark", "-2", "-n", "-r", str(path), "-o", "tcp.check_checksum:FALSE", "-Y", "http2", "-T", "json", "--no-duplicate-keys"]
    command += ["-o", f"tls.keylog_file:{keys}"] if keys.exists() else []
    packets = json.loads(subprocess.run(command, capture_output=True).stdout or b"[]")
    syns = subprocess.run(
        ["tshark", "-n", "-r", str(path), "-Y", "tcp.flags.syn == 1 && tcp.flags.ack == 0", "-T", "fields", "-e", "tcp.stream", "-e", "tcp.srcport"],
        capture_output=True, text=True).stdout if packets else ""
    clients = {int(line): port for line, port in (row.split("\t") for row in syns.splitlines())}
    frames, streams = collections.Counter(), collections.defaultdict(list)
    closes = []
    for packet in packets:
        layers = packet["_source"]["layers"]
        tcp = each(layers["tcp"])[-1]
        line = int(tcp["tcp.stream"])
        sender = "edge" if tcp["tcp.srcport"] == clients[line] else "origin"
        for frame in [frame for layer in each(layers["http2"]) for frame in each(layer.get("http2.stream"))]:
            if "http2.type" not in frame:
                continue  # the preface
            kind, stream = int(frame["http2.type"]), int(frame["http2.streamid"], 0)
            frames[line, sender, kind] += 1
            status = named(frame, "http2.headers.status")
            if status and sender == "origin":
                streams[line, stream].append(int(status[0]))
            if kind == 3:
                closes.append([line, sender, "RST_STREAM", stream, int(named(frame, "http2.rst_stream.error")[0], 0)])
            if kind == 7:
                last = int(named(frame, "http2.goaway.last_stream_id")[0], 0)
                closes.append([line, sender, "GOAWAY", last, int(named(frame, "http2.goaway.error")[0], 0)])
    return {
        "file": str(path.relative_to(ROOT)),
        "frames": [[*key, count] for key, count in sorted(frames.items())],
        "statuses": [[*key, statuses] for key, statuses in sorted(streams.items())],
        "closes": sorted(closes),
    }


def main():
    with open(HERE / "oracle.jsonl", "w") as out:
        for path in sorted(ROOT.rglob("*.pcap*")):
            told = facts(path) if path.suffix in (".pcap", ".pcapng") else None
            if told and told["frames"]:
                out.write(json.dumps(told, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
