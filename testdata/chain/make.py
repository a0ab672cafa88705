#!/usr/bin/env python3
"""Makes the captures of this folder: an edge, haproxy, nginx and an application, one network namespace each, joined by
a bridge on which tcpdump sees every hop. Needs root, haproxy, nginx, tcpdump, iptables, iproute2 and Python 3.

    sudo ./make.py [FAULT...]
"""

import json, os, signal, socket, struct, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = ["edge", "lb", "cache", "app"]
ADDRESS = {name: f"10.77.0.{number}" for number, name in enumerate(NAMES, 1)}
SWITCH = "ver-switch"
EDGE_WAITS = 6.0

HAPROXY = """
global
  maxconn 100
defaults
  mode http
  timeout client 20s
  timeout connect 3500ms
  timeout server 4s
  retries 0
frontend web
  bind 10.77.0.2:80
  default_backend cache
backend cache
  server cache 10.77.0.3:8080
"""

NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 100; }}
http {{
  access_log off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream app {{ server 10.77.0.4:9000 max_fails=0; keepalive 4; }}
  server {{
    listen 10.77.0.3:8080;
    location / {{
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      {ids}
      proxy_buffer_size 4k;
      proxy_buffers 4 4k;
      proxy_connect_timeout 3500ms;
      proxy_read_timeout 2s;
      proxy_next_upstream off;
    }}
  }}
}}
"""

# What the application does with a request for this path.
APP = {
    "/app-reset": None,
    "/app-closes": b"",
    "/app-malformed-header": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nno colon here\r\n\r\nok",
    "/app-big-header": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=" + b"x" * 9000 + b"\r\n\r\nok",
    "/app-truncated": b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"y" * 700,
}
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n"

# fault: (client and server of the hop that failed, causes that are right, actors, status at the visitor, hops)
HOP1 = (ADDRESS["edge"], "10.77.0.2:80")
HOP2 = (ADDRESS["lb"], "10.77.0.3:8080")
HOP3 = (ADDRESS["cache"], "10.77.0.4:9000")
FAULTS = {
    "app-refused": (HOP3, ["connect-refused"], ["origin"], 502, 3),
    "app-unreachable": (HOP3, ["connect-timeout"], ["origin", "network", "middlebox"], 504, 3),
    "app-silent": (HOP3, ["response-timeout"], ["origin"], 504, 3),
    "app-reset": (HOP3, ["reset-before-response"], ["origin"], 502, 3),
    "app-closes": (HOP3, ["empty-response"], ["origin"], 502, 3),
    "app-malformed-header": (HOP3, ["malformed-header"], ["origin"], 502, 3),
    "app-big-header": (HOP3, ["header-too-large", "headers-too-large"], ["origin"], 502, 3),
    "app-truncated": (HOP3, ["truncated-response"], ["origin"], 520, 3),
    "cache-refused": (HOP2, ["connect-refused"], ["origin"], 503, 2),
    "cache-stopped": (HOP2, ["response-timeout", "accept-stalled"], ["origin"], 504, 2),
    "lb-stopped": (HOP1, ["response-timeout"], ["origin"], 524, 1),
}


def run(*command, **options):
    return subprocess.run(command, check=True, **options)


def inside(name, *command, **options):
    return subprocess.Popen(["ip", "netns", "exec", f"ver-{name}", *command], **options)


def build():
    tear_down()
    run("ip", "netns", "add", SWITCH)
    switch = ["ip", "-n", SWITCH]
    run(*switch, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
    run(*switch, "link", "set", "br0", "up", "promisc", "on")
    for name in NAMES:
        run("ip", "netns", "add", f"ver-{name}")
        run("ip", "link", "add", f"ver-{name}", "netns", SWITCH, "type", "veth", "peer", "name", "eth0", "netns", f"ver-{name}")
        run(*switch, "link", "set", f"ver-{name}", "master", "br0", "up")
        own = ["ip", "-n", f"ver-{name}"]
        run(*own, "addr", "add", ADDRESS[name] + "/24", "dev", "eth0")
        run(*own, "link", "set", "lo", "up")
        run(*own, "link", "set", "eth0", "up")
        inside(name, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1").wait()


def tear_down():
    for name in [SWITCH, *(f"ver-{name}" for name in NAMES)]:
        subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)


def application():
    """Serves one request after another on each connection, each connection in a process of its own."""
    listener = socket.create_server((ADDRESS["app"], 9000), backlog=16)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            serve(connection)
            os._exit(0)
        connection.close()


def serve(connection):
    while head := connection.recv(65536):
        path = head.split(b" ")[1].decode()
        if path == "/app-silent":
            time.sleep(30)
        elif path in APP:
            answer = APP[path]
            if answer is None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif answer:
                connection.sendall(answer)
            if path != "/app-big-header" and path != "/app-malformed-header":
                connection.close()
                return
        else:
            connection.sendall(OK)


def edge(path, ray):
    """One request on a connection of its own, as the edge sends it; what came back."""
    with socket.create_connection((ADDRESS["lb"], 80), timeout=10) as connection:
        connection.settimeout(EDGE_WAITS)
        head = f"GET {path} HTTP/1.1\r\nHost: shop.example\r\nCF-Ray: {ray}-FRA\r\nConnection: keep-alive\r\n\r\n"
        connection.sendall(head.encode())
        came = b""
        try:
            while b"\r\n\r\n" not in came or path == "/app-truncated":
                piece = connection.recv(65536)
                if not piece:
                    break
                came += piece
        except TimeoutError:
            pass
        print("  ", path, came.split(b"\r\n")[0])


def take(fault):
    folder = tempfile.mkdtemp(prefix="ver-")
    os.chmod(folder, 0o755)
    capture = os.path.join(HERE, f"{fault}.pcap")
    # Half of the proxies hand no id on: these hops are joined by bytes and time.
    ids = "" if list(FAULTS).index(fault) % 2 else 'proxy_set_header CF-Ray ""; proxy_set_header X-Request-Id $request_id;'
    with open(f"{folder}/haproxy.cfg", "w") as file:
        file.write(HAPROXY)
    with open(f"{folder}/nginx.conf", "w") as file:
        file.write(NGINX.format(folder=folder, ids=ids))
    dump = subprocess.Popen(["ip", "netns", "exec", SWITCH, "tcpdump", "--immediate-mode", "-i", "br0", "-U", "-s", "0", "-w", capture, "tcp or icmp"],
                            stderr=subprocess.DEVNULL)
    haproxy = inside("lb", "haproxy", "-db", "-f", f"{folder}/haproxy.cfg", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    nginx = inside("cache", "nginx", "-c", f"{folder}/nginx.conf", "-p", folder, stderr=subprocess.DEVNULL)
    app = inside("app", sys.executable, __file__, "--application")
    try:
        time.sleep(1.5)
        request("/before", "8f3b2c1d0e9a7b61")
        if fault == "app-refused":
            app.kill()
            app.wait()
            inside("app", "sh", "-c", "kill $(ip netns pids ver-app) 2>/dev/null").wait()
            time.sleep(0.3)
        elif fault == "app-unreachable":
            inside("app", "sh", "-c", "kill $(ip netns pids ver-app) 2>/dev/null").wait()
            inside("app", "iptables", "-A", "INPUT", "-p", "tcp", "--syn", "-j", "DROP").wait()
            time.sleep(0.3)
        elif fault == "cache-refused":
            nginx.send_signal(signal.SIGQUIT)
            nginx.wait()
        elif fault == "cache-stopped":
            halt("cache", "nginx")
        elif fault == "lb-stopped":
            halt("lb", "haproxy")
        request(f"/{fault}", "8f3b2c1d0e9a7b62")
        time.sleep(2.5)
    finally:
        for name in NAMES[1:]:
            pids = subprocess.run(["ip", "netns", "pids", f"ver-{name}"], capture_output=True, text=True).stdout.split()
            for pid in map(int, pids):
                os.kill(pid, signal.SIGKILL)
        dump.terminate()
        dump.wait()
        subprocess.run(["ip", "netns", "exec", "ver-app", "iptables", "-F"])
        subprocess.run(["rm", "-rf", folder])
    write_label(fault)


def request(path, ray):
    """From the edge's namespace."""
    inside("edge", sys.executable, __file__, "--edge", path, ray).wait()


def halt(name, program):
    """Stops the processes of a program, as a machine that swaps does: its kernel goes on."""
    pids = subprocess.run(["ip", "netns", "pids", f"ver-{name}"], capture_output=True, text=True).stdout.split()
    for pid in map(int, pids):
        with open(f"/proc/{pid}/comm") as file:
            if file.read().strip().startswith(program):
                os.kill(pid, signal.SIGSTOP)


def write_label(fault):
    (client, server), causes, actors, status, hops = FAULTS[fault]
    label = {
        "capture": f"{fault}.pcap",
        "vantage": "mid",
        "args": ["--response-timeout", "5"],
        "incidents": [{"client": client, "server": server, "cause": causes, "actor": actors, "edge_status": status, "hops": hops}],
        "context": f"edge > haproxy > nginx > application; fault: {fault}",
    }
    with open(os.path.join(HERE, f"{fault}.json"), "w") as file:
        json.dump(label, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--application"]:
            application()
        case ["--edge", path, ray]:
            edge(path, ray)
        case faults:
            build()
            try:
                for fault in faults or FAULTS:
                    print(fault)
                    take(fault)
            finally:
                tear_down()
