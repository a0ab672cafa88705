"""The five tables, and how a line of `pcap520 analyze --format ndjson --connections` becomes a row of one.

Every table is partitioned by `origin` and `day` (that of the group's window, UTC), which stand in the path of each file. Texts that
an incident carries for people (timeline, fixes) are not kept: the id and the capture give them again.
"""

from datetime import datetime, timedelta, timezone
from typing import Any

import pyarrow as pa

_TIME = pa.timestamp("us", tz="UTC")
_EVIDENCE = pa.list_(pa.struct([("packet", pa.int64()), ("time", _TIME), ("note", pa.string())]))

SCHEMAS = {
    "captures": pa.schema(
        [
            ("capture_group", pa.string()),
            ("path", pa.string()),
            ("format", pa.string()),
            ("bytes", pa.int64()),
            ("packets", pa.int64()),
            ("first", _TIME),
            ("last", _TIME),
        ]
    ),
    "problems": pa.schema(
        [
            ("capture_group", pa.string()),
            ("path", pa.string()),
            ("severity", pa.string()),
            ("problem", pa.string()),
        ]
    ),
    "incidents": pa.schema(
        [
            ("capture_group", pa.string()),
            ("id", pa.string()),
            ("time", _TIME),
            ("cause", pa.string()),
            ("layer", pa.string()),
            ("edge_status", pa.int32()),
            ("origin_status", pa.int32()),
            ("actor", pa.string()),
            ("confidence", pa.string()),
            ("client", pa.string()),
            ("server", pa.string()),
            ("sni", pa.string()),
            ("exchange", pa.int32()),
            ("method", pa.string()),
            ("target", pa.string()),
            ("host", pa.string()),
            ("ray", pa.string()),
            ("request_id", pa.string()),
            ("summary", pa.string()),
            ("evidence", _EVIDENCE),
        ]
    ),
    "observations": pa.schema(
        [
            ("capture_group", pa.string()),
            ("time", _TIME),
            ("kind", pa.string()),
            ("summary", pa.string()),
            ("evidence", _EVIDENCE),
        ]
    ),
    "connections": pa.schema(
        [
            ("capture_group", pa.string()),
            ("first", _TIME),
            ("last", _TIME),
            ("client", pa.string()),
            ("server", pa.string()),
            ("community_id", pa.string()),
            ("began", pa.string()),
            ("ended", pa.string()),
            ("protocol", pa.string()),
            ("bytes_to_server", pa.int64()),
            ("bytes_to_client", pa.int64()),
            ("retransmitted", pa.int64()),
            ("rtt_s", pa.float64()),
            ("tls_version", pa.string()),
            ("sni", pa.string()),
            ("alpn", pa.string()),
            ("cert_subject", pa.string()),
            ("cert_issuer", pa.string()),
            ("cert_not_after", _TIME),
            ("cert_faults", pa.string()),
            ("exchanges", pa.int64()),
            ("exchanges_ok", pa.int64()),
            ("rays", pa.list_(pa.string())),
        ]
    ),
}


def time(stamp: str | None) -> datetime | None:
    """An RFC 3339 time of the report; nanoseconds are cut to what the tables hold."""
    if stamp is None:
        return None
    whole, _, fraction = stamp.removesuffix("Z").partition(".")
    moment = datetime.fromisoformat(whole).replace(tzinfo=timezone.utc)
    return moment + timedelta(microseconds=int((fraction + "000000")[:6]))


def incident(line: dict[str, Any]) -> dict[str, Any]:
    """The row of an incident."""
    request = line["request"] or {}
    return {
        **{name: line[name] for name in ("id", "cause", "layer", "edge_status", "origin_status", "actor", "confidence", "exchange", "summary")},
        **{name: line["connection"][name] for name in ("client", "server", "sni")},
        **{name: request.get(name) for name in ("method", "target", "host", "ray", "request_id")},
        "time": time(line["fault"]["time"]),
        "evidence": _evidence(line),
    }


def observation(line: dict[str, Any]) -> dict[str, Any]:
    """The row of an observation. Its time is that of its first packet; one without packets is about the whole group."""
    evidence = _evidence(line)
    return {
        "kind": line["kind"],
        "summary": line["summary"],
        "time": min((item["time"] for item in evidence), default=None),
        "evidence": evidence,
    }


def connection(line: dict[str, Any]) -> dict[str, Any]:
    """The row of a connection."""
    tls, exchanges = line["tls"] or {}, line["exchanges"]
    certificate, left_out = tls.get("certificate") or {}, line.get("exchanges_left_out", 0)
    return {
        **{name: line.get(name) for name in ("client", "server", "community_id", "protocol", "rtt_s")},
        "began": line["start"],
        "ended": line["end"],
        "first": time(line["first"]),
        "last": time(line["last"]),
        "bytes_to_server": line["client_to_server"]["bytes"],
        "bytes_to_client": line["server_to_client"]["bytes"],
        "retransmitted": line["client_to_server"]["retransmitted"] + line["server_to_client"]["retransmitted"],
        "tls_version": tls.get("version"),
        "sni": tls.get("sni"),
        "alpn": tls.get("alpn"),
        "cert_subject": certificate.get("subject"),
        "cert_issuer": certificate.get("issuer"),
        "cert_not_after": time(certificate.get("not_after")),
        "cert_faults": "; ".join(certificate.get("faults", [])) or None,
        "exchanges": len(exchanges) + left_out,
        "exchanges_ok": sum(exchange["outcome"] == "ok" for exchange in exchanges) + left_out,
        "rays": [exchange["ray"] for exchange in exchanges if exchange["ray"]],
    }


def capture(line: dict[str, Any]) -> dict[str, Any]:
    """The row of a capture."""
    row = {name: line[name] for name in ("path", "format", "bytes", "packets")}
    return row | {"first": time(line["first"]), "last": time(line["last"])}


def _evidence(line: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"packet": item["packet"], "time": time(item["time"]), "note": item["note"]} for item in line["evidence"]]
