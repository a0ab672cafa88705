"""Runs pcap520 over the captures of many origins and keeps the answers as tables.

    listing ─▶ groups ─▶ worker ─▶ tables          one group of captures in, one Parquet file a table out
                 │
                 ├── spark     one task a group, on a cluster
                 └── cli       one process a group, under xargs, GNU parallel or a Kubernetes job

    ship ─▶ NATS JetStream ─▶ load ─▶ ClickHouse   what `pcap520 live` says, as it says it

The packets are the heavy part and fall apart by origin and time, so a group is read by one process and never split.
The name of a file is the key of what it holds: a group that is run again replaces its own rows and counts nothing twice.
"""
