-- The tables of the live path, with the columns of the batch. A row that comes twice replaces itself: the last column list of each
-- table is its key. Read with FINAL, or by the views at the end, to see each once.
CREATE DATABASE IF NOT EXISTS pcap520;

CREATE TABLE IF NOT EXISTS pcap520.incidents
(
    origin LowCardinality(String),
    day Date DEFAULT toDate(time),
    id String,
    time DateTime64(6, 'UTC'),
    cause LowCardinality(String),
    layer LowCardinality(String),
    edge_status UInt16,
    origin_status UInt16,
    actor LowCardinality(String),
    confidence LowCardinality(String),
    client String,
    server String,
    sni Nullable(String),
    exchange Nullable(UInt32),
    method LowCardinality(Nullable(String)),
    target Nullable(String),
    host Nullable(String),
    ray Nullable(String),
    request_id Nullable(String),
    summary String,
    evidence Array(Tuple(packet Int64, time DateTime64(6, 'UTC'), note String))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (origin, id)
TTL toDateTime(time) + INTERVAL 400 DAY;

CREATE TABLE IF NOT EXISTS pcap520.observations
(
    origin LowCardinality(String),
    day Date DEFAULT toDate(time),
    time DateTime64(6, 'UTC') DEFAULT toDateTime64(0, 6, 'UTC'),
    kind LowCardinality(String),
    summary String,
    evidence Array(Tuple(packet Int64, time DateTime64(6, 'UTC'), note String))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (origin, kind, time, summary)
TTL toDateTime(time) + INTERVAL 400 DAY;

CREATE TABLE IF NOT EXISTS pcap520.connections
(
    origin LowCardinality(String),
    day Date DEFAULT toDate(first),
    first DateTime64(6, 'UTC'),
    last DateTime64(6, 'UTC'),
    client String,
    server String,
    community_id Nullable(String),
    began LowCardinality(String),
    ended LowCardinality(String),
    protocol LowCardinality(Nullable(String)),
    bytes_to_server Int64,
    bytes_to_client Int64,
    retransmitted Int64,
    rtt_s Nullable(Float64),
    tls_version LowCardinality(Nullable(String)),
    sni Nullable(String),
    alpn LowCardinality(Nullable(String)),
    cert_subject Nullable(String),
    cert_issuer Nullable(String),
    cert_not_after Nullable(DateTime64(6, 'UTC')),
    cert_faults Nullable(String),
    exchanges Int64,
    exchanges_ok Int64,
    rays Array(String)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(first)
ORDER BY (origin, first, client, server)
TTL toDateTime(first) + INTERVAL 90 DAY;
