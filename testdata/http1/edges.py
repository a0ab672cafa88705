#!/usr/bin/env python3
"""Feeds every response of responses.txt to real edges, nginx and haproxy as reverse proxies, and writes what each does.

    python3 testdata/http1/edges.py        writes edges.txt beside it

Both run on the loopback interface with their defaults but for timeouts and threads (connections are pooled by thread); Debian's packages nginx-light and haproxy do.
"""
import os, re, shutil, socket, subprocess, sys, tempfile, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
WAIT = 1.0

NGINX = """
daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/nginx.log;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c; uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;
  upstream origin {{ server 127.0.0.1:{origin} max_fails=0; keepalive 4; }}
  server {{
    listen 127.0.0.1:{listen};
    location / {{
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_read_timeout {wait}s; proxy_next_upstream off;
    }}
  }}
}}
"""

HAPROXY = """
global
  log 127.0.0.1:9 local0
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server {wait}s
  retries 0
  http-reuse always
frontend edge
  bind 127.0.0.1:{listen}
  default_backend origin
backend origin
  server origin 127.0.0.1:{origin}
"""


def unescaped(text):
    """Bytes as the table writes them."""
    out, at = bytearray(), 0
    while at < len(text):
        if text.startswith("\\x", at):
            out.append(int(text[at + 2:at + 4], 16))
            at += 4
        elif text[at] == "\\":
            out += {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "s": b" ", "\\": b"\\"}[text[at + 1]]
            at += 2
        elif times := re.compile(r"\{(\d+)\*").match(text, at):
            depth, end = 1, times.end()
            while depth:
                depth += {"{": 1, "}": -1}.get(text[end], 0)
                end += 1
            out += unescaped(text[times.end():end - 1]) * int(times.group(1))
            at = end
        else:
            out += text[at].encode()
            at += 1
    return bytes(out)


class Row:
    def __init__(self, line):
        self.name, self.section, rules, self.verdict, response = line.split(" | ", 4)
        self.rules = [] if rules == "-" else rules.split(",")
        method = re.match(r"([A-Z]+) > ", response)
        self.method = method.group(1) if method else "GET"
        response = response[method.end():] if method else response
        self.closes = response.endswith("$")
        self.response = unescaped(response.removesuffix("$"))
        statuses = re.findall(rb"(?:^|\r?\n)\s*HTTP/\d\.\d\s+(\d{3})[ \r\n]", self.response)
        final = [int(status) for status in statuses if not status.startswith(b"1")]
        self.status = final[0] if final else None


class Origin:
    """Answers a request for /NAME with the response of that row, and every other one with a good one."""

    def __init__(self, rows):
        self.rows = {row.name: row for row in rows}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connection_of = {}
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        number = 0
        while True:
            peer, _ = self.listener.accept()
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            number += 1
            threading.Thread(target=self.serve, args=(peer, number), daemon=True).start()

    def serve(self, peer, number):
        buffer = b""
        try:
            while True:
                while b"\r\n\r\n" not in buffer:
                    more = peer.recv(65536)
                    if not more:
                        return
                    buffer += more
                head, buffer = buffer.split(b"\r\n\r\n", 1)
                name = head.split()[1].decode().lstrip("/")
                self.connection_of[name] = number
                row = self.rows.get(name)
                peer.sendall(row.response if row else GOOD)
                if row and row.closes:
                    peer.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        finally:
            peer.close()


def ask(port, method, name):
    """The status, the body's length and whether it is whole, as a client of the edge sees them."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(f"{method} /{name} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        try:
            while more := client.recv(65536):
                answer += more
        except OSError:
            pass
    while re.match(rb"HTTP/1\.1 1(?!01)\d\d", answer):
        answer = answer.split(b"\r\n\r\n", 1)[1]
    head, separator, body = answer.partition(b"\r\n\r\n")
    status = re.match(rb"HTTP/\d\.\d (\d+)", head)
    if not status or not separator:
        return None, 0, False
    whole = True
    if method != "HEAD" and re.search(rb"(?im)^transfer-encoding:\s*chunked", head):
        body, whole = unchunked(body)
    elif length := re.search(rb"(?im)^content-length:\s*(\d+)", head):
        whole = method == "HEAD" or status.group(1) in (b"204", b"304") or len(body) == int(length.group(1))
    return int(status.group(1)), len(body), whole


def unchunked(body):
    data = b""
    while line := re.match(rb"([0-9a-fA-F]+)[^\n]*\n", body):
        size = int(line.group(1), 16)
        if size == 0:
            return data, True
        data, body = data + body[line.end():line.end() + size], body[line.end() + size + 2:]
    return data, False


def watch(edge, row, origin, port):
    """What one edge does with one response: what its client sees, and whether the connection is used again."""
    status, length, whole = ask(port, row.method, row.name)
    after = f"after-{edge}-{row.name}"
    ask(port, "GET", after)
    reused = origin.connection_of.get(after) == origin.connection_of.get(row.name)
    own_error = row.status is None and status in (502, 504)
    took = status is not None and whole and not own_error and (row.status is None or status == row.status)
    told = "no status line" if status is None else f"{status}, {length} bytes" + ("" if whole else ", cut")
    kept = "" if row.closes or not took else ", connection kept" if reused else ", connection left"
    return took, ("took: " if took else "refused: ") + told + kept


def start(edge, origin_port, folder):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        listen = probe.getsockname()[1]
    text = {"nginx": NGINX, "haproxy": HAPROXY}[edge]
    path = os.path.join(folder, edge + ".conf")
    with open(path, "w") as config:
        config.write(text.format(dir=folder, origin=origin_port, listen=listen, wait=int(WAIT)))
    command = {"nginx": ["nginx", "-c", path, "-p", folder, "-e", folder + "/error.log"], "haproxy": ["haproxy", "-db", "-f", path]}[edge]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", listen), timeout=1).close()
            return process, listen
        except OSError:
            time.sleep(0.05)
    sys.exit(f"{edge} does not start: see {path}")


def version(edge):
    said = subprocess.run([edge, "-v"], capture_output=True, text=True)
    return re.search(r"\d+\.\d+\.\d+", said.stdout + said.stderr).group(0)


def rules(rows, taken):
    """Every rule with what the edges do with the responses that break nothing else."""
    for rule in sorted({rule for row in rows for rule in row.rules}):
        alone = [row for row in rows if row.rules == [rule]]
        votes = {taken[row.name, edge] for row in alone for edge in ("nginx", "haproxy")}
        yield rule, "differs" if len(votes) != 1 else "takes" if votes == {True} else "refuses"


def beyond(rows, taken):
    """What the edges do with bytes that follow the end of a response."""
    rows = [row for row in rows if row.verdict == "unsolicited-response"]
    votes = {taken[row.name, edge] for row in rows for edge in ("nginx", "haproxy")}
    return "takes" if votes == {True} else "differs"


def main():
    missing = [edge for edge in ("nginx", "haproxy") if not shutil.which(edge)]
    if missing:
        sys.exit(f"edges.py needs {' and '.join(missing)}: apt-get install nginx-light haproxy")
    with open(os.path.join(HERE, "responses.txt")) as table:
        rows = [Row(line.rstrip("\n")) for line in table if line.strip() and not line.startswith("#")]
    origin, taken = Origin(rows), {}
    with tempfile.TemporaryDirectory() as folder:
        edges = {edge: start(edge, origin.port, folder) for edge in ("nginx", "haproxy")}
        versions = " and ".join(f"{edge} {version(edge)}" for edge in edges)
        lines = [f"# What {versions} do with each response of responses.txt; written by edges.py.",
                 "# name | nginx | haproxy", ""]
        for row in rows:
            told = []
            for edge, (_, port) in edges.items():
                taken[row.name, edge], words = watch(edge, row, origin, port)
                told.append(words)
            lines.append(" | ".join([row.name] + told))
        for process, _ in edges.values():
            process.terminate()
            process.wait()
    lines += ["", "# What they do with responses that break one rule alone: each of them takes it, none does, or they differ.", ""]
    lines += [f"rule {rule} {word}" for rule, word in rules(rows, taken)]
    lines += ["", "# The same of bytes that follow the end of a response.", "", f"beyond {beyond(rows, taken)}"]
    with open(os.path.join(HERE, "edges.txt"), "w") as out:
        out.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
