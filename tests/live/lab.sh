#!/usr/bin/env bash
# lab.sh PCAP520: faults made while `pcap520 live` watches, in network namespaces of this script's own making. Each has to
# be told once, with the cause that `pcap520 analyze` gives for what tcpdump wrote meanwhile.
# Exit status 77: this host has no namespaces, or lacks a program.
set -euo pipefail

pcap520=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
edge=liv-edge-$$ origin=liv-origin-$$

skip() { echo "skipped: $*"; exit 77; }

[[ $(id -u) == 0 ]] || skip "only root can make network namespaces"
for program in ip nginx tcpdump python3; do
    command -v "$program" >/dev/null || skip "$program is not installed (make deps)"
done
ip netns add "$edge" 2>/dev/null || skip "network namespaces are not allowed here"
work=$(mktemp -d)
chmod 755 "$work"

clean() {
    for space in "$edge" "$origin"; do
        for process in $(ip netns pids "$space" 2>/dev/null); do kill "$process" 2>/dev/null || true; done
    done
    sleep 0.2
    umount "$work/small" 2>/dev/null || true
    ip netns del "$edge" 2>/dev/null || true
    ip netns del "$origin" 2>/dev/null || true
    [[ -z ${LAB_KEEP:-} ]] || cp -r "$work" "$LAB_KEEP"
    rm -rf "$work"
}
trap clean EXIT

ip netns add "$origin"
ip -n "$edge" link add liv-e type veth peer name liv-o netns "$origin" || skip "veth pairs are not allowed here"
ip -n "$edge" addr add 10.52.0.1/24 dev liv-e
ip -n "$origin" addr add 10.52.0.2/24 dev liv-o
for side in "$edge lo" "$edge liv-e" "$origin lo" "$origin liv-o"; do ip -n ${side% *} link set "${side#* }" up; done
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

echo "== what was recorded is readable after SIGKILL"
watch killed --record "$work/killed"
run healthy empty
wait_for "$work/killed.out" empty-response
sleep 1.2
kill -KILL "$watching"
wait "$watching" || true
"$pcap520" analyze -q "$work"/killed/ring-*.pcapng >"$work/killed.txt"
grep -q empty-response "$work/killed.txt"

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
