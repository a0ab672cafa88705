#!/usr/bin/env bash
# lab.sh PCAP520: faults made while `pcap520 live` watches, in network namespaces of this script's own making. Each has to
# be told once, with the cause that `pcap520 analyze` gives for what tcpdump wrote meanwhile.
# Exit status 77: this host has no namespaces, or lacks a program.
set -euo pipefail

pcap520=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
source "$here/spaces.sh"
leave() {
    umount "$work/small" 2>/dev/null || true
    [[ -z ${LAB_KEEP:-} ]] || cp -r "$work" "$LAB_KEEP"
}

lay liv 10.52.0 nginx tcpdump python3
ip -n "$edge" route add 10.52.9.9 via 10.52.0.2

mkdir "$work/html"
echo '<html>fine</html>' >"$work/html/index.html"
cat >"$work/nginx.conf" <<CONF
worker_processes 1; daemon off; pid $work/nginx.pid; error_log $work/nginx.log;
events { }
http {
    access_log off; root $work/html;
    client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/fastcgi;
    uwsgi_temp_path $work/uwsgi; scgi_temp_path $work/scgi;
    server { listen 80; }
    server { listen 8081; keepalive_timeout 1s; }
}
CONF
ip netns exec "$origin" nginx -c "$work/nginx.conf" &
ip netns exec "$origin" python3 "$here/faulty.py" &

# wait_for FILE TEXT: until the text stands in the file.
wait_for() {
    for _ in $(seq 300); do
        if grep -qs -- "$2" "$1"; then return; fi
        sleep 0.1
    done
    echo "never seen in $1: $2"
    tail -n 5 "$1" "$work"/*.err
    return 1
}

faults=(healthy empty truncated bare status-line status-code header chunk framing reset reset-body refused not-tls timeout
    unanswered)
causes=(empty-response truncated-response http09-response malformed-status-line invalid-status-code malformed-header
    malformed-chunk conflicting-framing reset-before-response reset-mid-response connect-refused tls-not-spoken
    response-timeout connect-timeout)
timeouts=(--response-timeout 3 --connect-timeout 5)
if command -v iptables >/dev/null &&
    ip netns exec "$edge" iptables -A INPUT -p tcp --sport 8081 --tcp-flags FIN FIN -j DROP 2>/dev/null; then
    faults+=(race) causes+=(keepalive-race)
fi

# watch NAME OPTION...: begins to watch, its output and its messages in files of that name.
watch() {
    local name=$1
    shift
    ip netns exec "$origin" "$pcap520" live -i liv-o "${timeouts[@]}" "$@" >"$work/$name.out" 2>"$work/$name.err" tcp or icmp &
    watching=$!
    wait_for "$work/$name.err" "watching liv-o"
}

# run FAULT...: has an edge meet these faults.
run() { ip netns exec "$edge" python3 "$here/edge.py" 10.52.0.2 "$@"; }

sleep 0.5
echo "== every fault is told once, as analyze tells it"
mkdir -m 777 "$work/log"
watch all --format ndjson -o "$work/log/live.ndjson" --origin-name lab --record "$work/ring" --metrics 127.0.0.1:9520 \
    --metrics-file "$work/log/pcap520.prom"
ip netns exec "$origin" tcpdump -i liv-o --immediate-mode -U -w "$work/tcpdump.pcap" tcp or icmp 2>"$work/tcpdump.err" &
dumping=$!
wait_for "$work/tcpdump.err" listening
run "${faults[@]}"
wait_for "$work/log/live.ndjson" connect-timeout
wait_for "$work/log/pcap520.prom" 'cause="connect-timeout",edge_status="522",layer="transport"} 1'
ip netns exec "$origin" python3 -c '
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1:9520/metrics").read().decode())' >"$work/metrics"
grep -q '^pcap520_incidents_total{cause="empty-response",edge_status="520",layer="application"} 1$' "$work/metrics"
mv "$work/log/live.ndjson" "$work/log/live.ndjson.1"
kill -HUP "$watching"
for _ in $(seq 100); do [[ -e $work/log/live.ndjson ]] && break; sleep 0.1; done
kill -USR1 "$watching"
wait_for "$work/all.err" " incidents in "
kill -INT "$watching"
wait "$watching"
kill "$dumping"
wait "$dumping"
cat "$work/log/live.ndjson.1" "$work/log/live.ndjson" >"$work/all.ndjson"
"$pcap520" analyze -q "${timeouts[@]}" --format json -o "$work/analyze.json" "$work/tcpdump.pcap"
python3 "$here/compare.py" "$work/all.ndjson" "$work/analyze.json" "${causes[@]}"
grep -q '"type":"summary"' "$work/log/live.ndjson"

echo "== the recorder has the packets of every incident, and they say the same"
saved=("$work"/ring/incidents/*.pcapng)
[[ ${#saved[@]} -ge ${#causes[@]} ]]
for file in "${saved[@]}"; do
    [[ -s ${file%.pcapng}.json ]]
    id=$(basename "$file" .pcapng)
    "$pcap520" analyze -q "${timeouts[@]}" --format ndjson "$file" >"$work/saved.ndjson"
    grep -q "\"id\":\"${id##*-}\"" "$work/saved.ndjson" || echo "not seen again in its own packets: $id"
done

echo "== a stream of packets tells the same"
# In two parts, the first of which ends within a packet.
{ head -c 5000 "$work/tcpdump.pcap"; sleep 1; tail -c +5001 "$work/tcpdump.pcap"; } |
    "$pcap520" live -q -r - --no-sandbox "${timeouts[@]}" --format ndjson --origin-name lab >"$work/stream.ndjson"
SAME_PACKETS=1 python3 "$here/compare.py" "$work/stream.ndjson" "$work/analyze.json" "${causes[@]}"

echo "== what was recorded is readable after SIGKILL, at whatever moment"
watch killed --record "$work/killed"
run healthy empty
wait_for "$work/killed.out" empty-response
sleep 1.2
kill -KILL "$watching"
wait "$watching" || true
"$pcap520" analyze -q "$work"/killed/ring-*.pcapng >"$work/killed.txt"
grep -q empty-response "$work/killed.txt"
read_all=0
for moment in 0.2 0.7 1.1 1.6 2.2 3.1; do
    rm -rf "$work/killed"
    watch "killed-$moment" --record "$work/killed" --keep 1m,1M
    while :; do run healthy empty truncated; done 2>/dev/null &
    traffic=$!
    sleep "$moment"
    kill -KILL "$watching"
    wait "$watching" || true
    kill "$traffic"
    wait "$traffic" || true
    while read -r file; do
        "$pcap520" analyze -q "$file" >/dev/null || { echo "not readable after $moment s: $file"; exit 1; }
        read_all=$((read_all + 1))
    done < <(find "$work/killed" -name '*.pcapng' -size +0)
done
echo "$read_all files read"
[[ $read_all -gt 0 ]]

echo "== a flood takes bounded memory, what the kernel drops is told, and what comes after it is seen"
watch flood -B 256 --max-connections 5000 --metrics 127.0.0.1:9520 --format ndjson
arrived=$(ip netns exec "$origin" cat /sys/class/net/liv-o/statistics/rx_packets)
ip netns exec "$edge" python3 "$here/flood.py" liv-e 10.52.0.2 80 200000
arrived=$(($(ip netns exec "$origin" cat /sys/class/net/liv-o/statistics/rx_packets) - arrived))
run empty
wait_for "$work/flood.out" '"cause":"empty-response"'
most_kib=$(awk '/^VmHWM/ { print $2 }' "/proc/$watching/status")
kill -TERM "$watching"
wait "$watching"
[[ $most_kib -lt 131072 ]] || { echo "$most_kib KiB in a flood"; exit 1; }
python3 - "$work/flood.out" "$work/flood.err" "$arrived" <<'PY'
import json, re, sys

lines, arrived = [json.loads(line) for line in open(sys.argv[1])], int(sys.argv[3])
told = re.findall(r"([\d,]+) packets? dropped before", open(sys.argv[2]).read())
told = sum(int(number.replace(",", "")) for number in told)
summary, capture = lines[-1], next(line for line in lines if line["type"] == "capture")
print(f"{arrived} packets arrived, {capture['packets']} seen, {told} dropped and told, {summary['connections']} connections")
assert any("half-open connections were given up" in caveat for caveat in summary["caveats"]), summary["caveats"]
assert capture["packets"] + told >= arrived, "packets are missing and nobody told"
assert told == 0 or any("dropped" in problem for problem in capture["problems"]), capture["problems"]
PY

echo "== a key log that grows is followed"
if command -v openssl >/dev/null; then
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=shop.example -keyout "$work/key.pem" -out "$work/cert.pem" \
        2>"$work/openssl.err"
    ip netns exec "$origin" python3 "$here/faulty.py" --tls 8444 "$work/cert.pem" "$work/key.pem" "$work/log/keys" &
    sleep 0.5
    watch keys --format ndjson --keylog "$work/log/keys"
    run tls-empty
    wait_for "$work/keys.out" '"target":"/empty"'
    run tls-truncated
    wait_for "$work/keys.out" '"target":"/truncated"'
    kill -TERM "$watching"
    wait "$watching"
else
    echo "openssl is not installed"
fi

echo "== metrics that cannot be written end the start"
mkdir -m 755 "$work/closed"
status=0
ip netns exec "$origin" "$pcap520" live -i liv-o --metrics-file "$work/closed/pcap520.prom" 2>"$work/closed.err" || status=$?
[[ $status == 2 ]]
grep -q "cannot write the metrics.*--metrics-file" "$work/closed.err"

echo "== a folder that is removed does not stop the watching"
watch removed --record "$work/removed"
run healthy
rm -rf "$work/removed"
run truncated
wait_for "$work/removed.err" "cannot record"
run empty
wait_for "$work/removed.out" empty-response
kill -TERM "$watching"
wait "$watching"
grep -q "could not keep" "$work/removed.out"

echo "== a full disk does not stop the watching"
mkdir "$work/small"
if mount -t tmpfs -o size=200k tmpfs "$work/small" 2>/dev/null; then
    watch full --record "$work/small/ring"
    for _ in $(seq 60); do run healthy healthy healthy; grep -q "cannot record" "$work/full.err" && break; done
    wait_for "$work/full.err" "cannot record"
    run empty
    wait_for "$work/full.out" empty-response
    kill -TERM "$watching"
    wait "$watching"
else
    echo "no tmpfs may be mounted here"
fi
echo "all is well"
