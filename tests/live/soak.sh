#!/usr/bin/env bash
# soak.sh PCAP520 [MINUTES [OPTION...]]: `pcap520 live` (with these options) beside an nginx that serves as fast as this
# host can, in network namespaces of this script's own making, and does one answer in a hundred wrong. Prints, every
# minute and at the end: requests, packets, faults made, faults told, packets that the kernel dropped, and the memory.
# Exit status 1: an incident was lost and the kernel dropped nothing, or memory grew in the second half: its mean of the
# last quarter is beyond that of the third.
# Exit status 77: this host has no namespaces, or lacks a program.
set -euo pipefail

pcap520=$(realpath "$1")
minutes=${2:-30}
options=("${@:3}")
here=$(cd "$(dirname "$0")" && pwd)
clients=${SOAK_CLIENTS:-32}
# Percent by which the two may differ: what the kernel hands over at once, and so what the allocator keeps, varies.
allowed=5

source "$here/spaces.sh"
lay soak 10.53.0 nginx ab python3
# A port is free again at once: thousands of connections a second would use them up.
ip netns exec "$edge" sysctl -qw net.ipv4.tcp_tw_reuse=1 net.ipv4.ip_local_port_range="1024 65000"

# Every fault has a line in faults.log, written by the one who makes it; none is made once the file `enough` is there.
mkdir "$work/html"
head -c 2000 /dev/zero | tr '\0' x >"$work/html/index.html"
cat >"$work/nginx.conf" <<CONF
worker_processes 1; worker_rlimit_nofile 4096; daemon off; pid $work/nginx.pid; error_log /dev/null crit; user root;
events { worker_connections 2048; }
http {
    split_clients \$request_id \$fault { 0.5% empty-response; 0.5% truncated-response; * ""; }
    map \$fault \$page { "" /index.html; default /\$fault; }
    map \$uri \$made { /index.html ""; default 1; }
    log_format fault \$uri;
    access_log $work/faults.log fault if=\$made;
    client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/fastcgi;
    uwsgi_temp_path $work/uwsgi; scgi_temp_path $work/scgi;
    server {
        listen 80 backlog=1024;
        root $work/html;
        keepalive_requests 1000;
        location = / {
            if (-e $work/enough) { rewrite ^ /index.html last; }
            rewrite ^ \$page last;
        }
        location = /index.html { }
        location = /empty-response { return 444; }
        location = /truncated-response { proxy_pass http://unix:$work/faulty.sock:/truncated; }
    }
}
CONF
ip netns exec "$origin" nice -n 5 python3 "$here/faulty.py" "$work/faulty.sock" &
ip netns exec "$origin" nice -n 5 nginx -c "$work/nginx.conf" &
sleep 1

ip netns exec "$origin" "$pcap520" live -i soak-o --format ndjson --metrics 127.0.0.1:9520 "${options[@]}" tcp port 80 \
    2>"$work/live.err" > >(exec python3 "$here/tally.py" "$work/told") &
watching=$!
for _ in $(seq 100); do grep -qs "watching soak-o" "$work/live.err" && break; sleep 0.1; done
grep -q "watching soak-o" "$work/live.err"
# metric NAME: its value, over all labels.
metric() {
    ip netns exec "$origin" python3 - "$1" <<'PY'
import sys, urllib.request
text = urllib.request.urlopen("http://127.0.0.1:9520/metrics").read().decode()
values = [float(line.split()[-1]) for line in text.splitlines() if line.split("{")[0].split(" ")[0] == sys.argv[1]]
print(int(sum(values)))
PY
}
memory() { awk '/^VmRSS/ { print $2 }' "/proc/$watching/status"; }

# The edge: ab leaves a connection that fails and opens the next. At its end it leaves what is not answered yet.
ip netns exec "$edge" nice -n 5 bash -c "while :; do ab -q -r -k -n 50000000 -c $clients http://10.53.0.2/; done" \
    >"$work/ab.out" 2>/dev/null &
loading=$!

kilobytes=()
figures() {
    printf '%s: %s exchanges, %s packets, %s dropped, %s faults made, %s told, lag %s s, RSS %s KiB\n' "$1" \
        "$(metric pcap520_exchanges_total)" "$(metric pcap520_packets_total)" "$(metric pcap520_dropped_packets_total)" \
        "$(wc -l <"$work/faults.log")" "$(metric pcap520_incidents_total)" "$(metric pcap520_lag_seconds)" "$(memory)"
}
for minute in $(seq "$minutes"); do
    sleep 60
    figures "$minute min"
    kilobytes+=("$(memory)")
done

# mean FROM TO: of the memory in these minutes.
mean() { printf '%s\n' "${kilobytes[@]:$1:$2-$1}" | awk '{ sum += $1 } END { printf "%d", sum / NR }'; }
third=$(mean $((minutes / 2)) $((minutes * 3 / 4 > minutes / 2 ? minutes * 3 / 4 : minutes)))
last=$(mean $((minutes * 3 / 4)) "$minutes")

touch "$work/enough"
sleep 1
for process in $(ip netns pids "$edge"); do kill "$process" 2>/dev/null || true; done
wait "$loading" 2>/dev/null || true
sleep 3
figures "idle"
dropped=$(metric pcap520_dropped_packets_total)
kill -INT "$watching"
wait "$watching"
for _ in $(seq 100); do [[ -s $work/told ]] && break; sleep 0.1; done
grep -v watching "$work/live.err" | tail -n 3 || true

failed=0
made=$(wc -l <"$work/faults.log")
echo "made by nginx:"
sort "$work/faults.log" | uniq -c
echo "told:"
cat "$work/told"
told=$(awk '{ sum += $1 } END { print sum + 0 }' "$work/told")
echo "$made faults made, $told told, $dropped packets dropped; RSS $third KiB in the third quarter, $last KiB in the last"
if ((told < made && dropped == 0)); then
    echo "incidents were lost, and no packet was"
    failed=1
fi
if ((last > third + third * allowed / 100)); then
    echo "memory grew by more than $allowed % in the second half"
    failed=1
fi
exit "$failed"
