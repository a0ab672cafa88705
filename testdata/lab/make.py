#!/usr/bin/env python3
"""Takes some of the captures of this folder anew: real servers behind a router, and an edge that meets them.

    sudo ./make.py [NAME...]

Needs Linux with network namespaces, Python 3 with the package h2, tcpdump, tshark and openssl, and for each capture the
servers that it names; where one is missing its capture is left out. All traffic stays inside three network namespaces of
this script's own. Writes NAME.pcap, NAME.json (the label: what was done, and what has to be found) and NAME.keys.
"""
import contextlib, ctypes, gzip, json, os, pathlib, re, shutil, signal, socket, ssl, struct, subprocess, sys, tempfile
import threading, time, traceback, zlib

HERE = pathlib.Path(__file__).resolve().parent
EDGE, ORIGIN = "172.70.9.2", "10.88.0.2"
HOST = "shop.example"
SPACES = {"edge": "lab-edge", "router": "lab-router", "origin": "lab-origin"}
SCENES = {}


def scene(*needs):
    def keep(make):
        SCENES[make.__name__.replace("__", "--").replace("_", "-")] = (make, needs)
        return make

    return keep


def run(*command):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout


def inside(space, *command):
    return ["ip", "netns", "exec", SPACES[space], *(str(word) for word in command)]


class Lab:
    """Namespaces, the processes in them, and one capture."""

    def __enter__(self):
        self.work, self.started = pathlib.Path(tempfile.mkdtemp()), []
        self.work.chmod(0o755)
        for space in SPACES.values():
            subprocess.run(["ip", "netns", "del", space], capture_output=True)
            run("ip", "netns", "add", space)
        for space, end, address in (("edge", "lab-e", EDGE), ("origin", "lab-o", ORIGIN)):
            own, router = SPACES[space], SPACES["router"]
            gate = address.rsplit(".", 1)[0] + ".1"
            run("ip", "-n", own, "link", "add", end, "type", "veth", "peer", "name", f"{end}r", "netns", router)
            for where, name, at in ((own, end, address), (router, f"{end}r", gate)):
                run("ip", "-n", where, "addr", "add", f"{at}/24", "dev", name)
                run("ip", "-n", where, "link", "set", name, "up")
            run("ip", "-n", own, "link", "set", "lo", "up")
            run("ip", "-n", own, "route", "add", "default", "via", gate)
        run(*inside("router", "sysctl", "-qw", "net.ipv4.ip_forward=1"))
        certificate(self.work)
        return self

    def __exit__(self, *_):
        for process in self.started:
            with contextlib.suppress(OSError):
                os.killpg(process, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process, 0)
        for space in SPACES.values():
            subprocess.run(["ip", "netns", "del", space], capture_output=True)
        shutil.rmtree(self.work, ignore_errors=True)

    def start(self, space, *command, port):
        """A server, until it listens."""
        with open(self.work / "log", "ab") as log:
            process = subprocess.Popen(inside(space, *command), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       start_new_session=True)
        self.started.append(process.pid)
        self.listens(space, port)

    def listens(self, space, port):
        for _ in range(150):
            if f":{port} " in run(*inside(space, "ss", "-ltnH")):
                return
            time.sleep(0.05)
        raise RuntimeError(f"nobody listens on {port}: {(self.work / 'log').read_text()[-400:]}")

    def fork(self, space, work):
        """`work` in a process of its own within the namespace."""
        process = os.fork()
        if process:
            self.started.append(process)
            return process
        try:
            os.setsid()
            with open(f"/run/netns/{SPACES[space]}") as file:
                if ctypes.CDLL(None).setns(file.fileno(), 0):
                    raise OSError("setns")
            work()
        except BaseException:
            traceback.print_exc()
        os._exit(0)

    def serve(self, talk, port=80):
        """A scripted origin: talk(socket, number of the connection) in a thread for each."""
        def listen():
            server = socket.create_server(("0.0.0.0", port))
            for number in range(1, 1000):
                threading.Thread(target=talk, args=(server.accept()[0], number), daemon=True).start()

        self.fork("origin", listen)
        self.listens("origin", port)

    def edge(self, work):
        os.waitpid(self.fork("edge", work), 0)

    def capture(self, name, place="origin", filter="tcp or icmp"):
        self.name, self.place = name, place
        self.file, self.keys = HERE / f"{name}.pcap", HERE / f"{name}.keys"
        device = {"origin": "lab-o", "edge": "lab-e"}[place]
        self.dump = subprocess.Popen(inside(place, "tcpdump", "-Z", "root", "-i", device, "-B", "16384", "-w", self.file,
                                            filter), stderr=subprocess.PIPE)
        while b"listening" not in self.dump.stderr.readline():
            if self.dump.poll() is not None:
                raise RuntimeError("tcpdump does not listen")
        time.sleep(0.2)

    def label(self, context, incidents=(), ok=None, observations=None, actor="origin"):
        """Ends the capture. Incidents: connection (from 0, as in tcp.stream), exchange, cause(s), status(es), needs keys."""
        time.sleep(1.2)
        self.dump.send_signal(signal.SIGINT)
        self.dump.wait()
        fields = [x for name in ("tcp.stream", "ip.src", "tcp.srcport", "ip.dst", "tcp.dstport") for x in ("-e", name)]
        streams = {}
        for line in run("tshark", "-r", self.file, "-Y", "tcp", "-T", "fields", *fields).splitlines():
            stream, source, port, destination, to = line.split("\t")
            ends = sorted(((f"{source}:{port}", int(port)), (f"{destination}:{to}", int(to))), key=lambda end: -end[1])
            streams.setdefault(int(stream), [end[0] for end in ends])
        label = {"capture": self.file.name, "name": self.name.replace("--", "/", 1), "vantage": self.place, "args": [],
                 "context": context, "exchanges_ok": ok, "connections_total": len(streams), "incidents": []}
        for stream, exchange, cause, status, *needs_keys in incidents:
            client, server = streams[stream]
            label["incidents"].append({"client": client, "server": server, "exchange": exchange, "cause": cause,
                                       "edge_status": status, "actor": actor, "needs_keys": needs_keys == [True]})
        if observations is not None:
            label["observations"] = observations
        if self.keys.exists():
            label["keylog"] = self.keys.name
        (HERE / f"{self.name}.json").write_text(json.dumps(label, indent=1) + "\n")


def certificate(work):
    """An authority of our own, and a server's certificate."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=work, check=True, capture_output=True)

    (work / "san").write_text(f"subjectAltName=DNS:{HOST}\n")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Adv Root", "-days", "900")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "csr", "-subj", f"/CN={HOST}")
    openssl("x509", "-req", "-in", "csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "pem", "-extfile", "san", "-days", "700")
    (work / "both").write_text((work / "pem").read_text() + (work / "key").read_text())


# What an edge does.

def connect(port=80):
    return socket.create_connection((ORIGIN, port), 20)


def request(path="/", method="GET", body=b""):
    request.ray = getattr(request, "ray", 0x9E52000000000000) + 0x1001
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nCF-RAY: {request.ray:016x}-FRA\r\n{length}\r\n".encode() + body


def head(peer):
    got = b""
    while b"\r\n\r\n" not in got:
        piece = peer.recv(65536)
        if not piece:
            break
        got += piece
    return got


def get(peer, path="/", method="GET"):
    """One exchange whose response has a length, or ends by close."""
    peer.sendall(request(path, method))
    got = head(peer)
    length = re.search(rb"(?im)^content-length: *(\d+)", got)
    end = got.find(b"\r\n\r\n") + 4 + int(length[1]) if length else None
    while end is None or len(got) < end:
        piece = peer.recv(65536)
        if not piece:
            break
        got += piece


def until_closed(peer):
    with contextlib.suppress(OSError):
        while peer.recv(65536):
            pass


def reset(peer):
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def tls(lab, peer, version=ssl.TLSVersion.TLSv1_3, alpn="http/1.1"):
    context = ssl.create_default_context(cafile=str(lab.work / "ca.pem"))
    context.maximum_version = version
    context.set_alpn_protocols([alpn])
    context.keylog_filename = str(lab.keys)
    return context.wrap_socket(peer, server_hostname=HOST)


def tls_origin(lab, peer, alpn):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(lab.work / "pem", lab.work / "key")
    context.set_alpn_protocols([alpn])
    return context.wrap_socket(peer, server_side=True)


BOTH = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


# Servers.

def nginx(lab, server, port):
    (lab.work / "html").mkdir()
    (lab.work / "html/index.html").write_text("<html>welcome to the shop</html>\n" * 8)
    folders = " ".join(f"{kind}_temp_path {lab.work}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (lab.work / "nginx.conf").write_text(
        f"daemon off; pid {lab.work}/pid; error_log {lab.work}/log; events {{}}\n"
        f"http {{ access_log off; {folders} server {{ root {lab.work}/html; {server} }} }}\n")
    lab.start("origin", "nginx", "-c", lab.work / "nginx.conf", port=port)


def apache(lab, port):
    modules = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
                      for name in ("mpm_event", "authz_core", "mime", "dir", "reqtimeout"))
    (lab.work / "html").mkdir(exist_ok=True)
    (lab.work / "html/index.html").write_text("<html>welcome to the shop</html>\n" * 8)
    (lab.work / "apache.conf").write_text(
        f"{modules}ServerRoot {lab.work}\nPidFile {lab.work}/apache.pid\nUser www-data\nGroup www-data\nServerName {HOST}\n"
        f"TypesConfig /etc/mime.types\nErrorLog {lab.work}/log\nMutex file:{lab.work} default\nDocumentRoot {lab.work}/html\n"
        f"Listen {port}\n<Directory {lab.work}>\nRequire all granted\n</Directory>\n")
    lab.start("origin", "apache2", "-f", lab.work / "apache.conf", "-DFOREGROUND", port=port)


# The captures.

@scene("nginx", "apache2")
def healthy__simple_request(lab, name):
    nginx(lab, "listen 80;", 80)
    apache(lab, 8080)
    lab.capture(name)

    def edge():
        for port in (80, 8080):
            for asked in (b"GET /\r\n", b"GET /index.html\r\n\r\n"):
                with connect(port) as peer:
                    peer.sendall(asked)
                    until_closed(peer)

    lab.edge(edge)
    lab.label("somebody asks nginx and apache2 in HTTP/0.9, by hand, and gets bare content", ok=4)


@scene("nmap", "nginx")
def healthy__port_scan(lab, name):
    nginx(lab, "listen 80;", 80)
    lab.capture(name)
    ports = ("20-25,53,80,110,143,443,445,993,995,1433,3306,3389,5432,5900,6379,8000,8008,8080,8443,8888,9200,11211,27017")
    run(*inside("edge", "nmap", "-Pn", "-n", "-sS", "-T4", "-p", ports, ORIGIN))
    lab.edge(lambda: get(connect()))
    lab.label("nmap scans 28 ports, web ports among them; one is open and serves a request", ok=1)


@scene()
def reset_before_response__turned_away(lab, name):
    lab.serve(lambda peer, number: reset(peer) if number < 3 else peer.close())
    lab.capture(name)

    def edge():
        for _ in range(3):
            with contextlib.suppress(OSError), connect() as peer:
                time.sleep(0.2)
                peer.sendall(request())
            time.sleep(0.05)

    lab.edge(edge)
    causes = ["reset-before-response", "empty-response"]
    lab.label("a proxy whose own backend is gone takes connections and resets or closes them at once, before the edge sends "
              "its request", [(0, None, causes, 520), (1, None, causes, 520), (2, 1, causes, 520)], ok=0)


@scene("stunnel4")
def tls_handshake_reset__stunnel_dead_backend(lab, name):
    (lab.work / "stunnel").write_text(f"foreground=yes\npid=\n[x]\naccept=443\nconnect=127.0.0.1:9\ncert={lab.work}/both\n")
    lab.start("origin", "stunnel4", lab.work / "stunnel", port=443)
    lab.capture(name)

    def edge():
        for version in BOTH:
            with contextlib.suppress(OSError), tls(lab, connect(443), version) as peer:
                time.sleep(0.2)
                get(peer)

    lab.edge(edge)
    causes = ["tls-handshake-reset", "reset-before-response"]
    lab.label("stunnel before a backend that is not there: the handshake is done, then it resets; the edge had not sent its "
              "request", [(0, None, causes, [520, 525]), (1, None, causes, [520, 525])], ok=0)


@scene()
def healthy__close_notify_ends_the_body(lab, name):
    def origin(peer, _):
        peer = tls_origin(lab, peer, "http/1.1")
        head(peer)
        peer.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + b"until the end " * 20)
        with contextlib.suppress(OSError):
            peer.unwrap()
        time.sleep(60)

    lab.serve(origin, 443)
    lab.capture(name, "edge")

    def edge():
        for version in BOTH:
            peer = tls(lab, connect(443), version)
            get(peer)
            os.close(peer.detach())

    lab.edge(edge)
    lab.label("a body without a length over TLS: the origin's close_notify ends it; the edge closes first, and the origin "
              "keeps its socket open", ok=2, observations=["cert-would-fail-strict"])


JAVA = """import javax.net.ssl.*; import java.security.*; import java.io.*; import com.sun.net.httpserver.*; import java.net.*;
public class Origin { public static void main(String[] a) throws Exception {
 KeyStore keys = KeyStore.getInstance("PKCS12"); keys.load(new FileInputStream(a[0]), "secret".toCharArray());
 KeyManagerFactory factory = KeyManagerFactory.getInstance("SunX509"); factory.init(keys, "secret".toCharArray());
 SSLContext context = SSLContext.getInstance("TLS"); context.init(factory.getKeyManagers(), null, null);
 HttpsServer server = HttpsServer.create(new InetSocketAddress(443), 0);
 server.setHttpsConfigurator(new HttpsConfigurator(context) { public void configure(HttpsParameters p) {
  SSLParameters wanted = context.getDefaultSSLParameters(); wanted.setNeedClientAuth(true); p.setSSLParameters(wanted); } });
 server.createContext("/", x -> { x.sendResponseHeaders(204, -1); x.close(); });
 server.start(); } }"""


@scene("java")
def tls_client_cert_required__java_silent(lab, name):
    (lab.work / "Origin.java").write_text(JAVA)
    run("openssl", "pkcs12", "-export", "-in", lab.work / "pem", "-inkey", lab.work / "key", "-out", lab.work / "p12",
        "-passout", "pass:secret")
    lab.start("origin", "java", lab.work / "Origin.java", lab.work / "p12", port=443)
    lab.capture(name)

    def edge():
        for version in BOTH:
            with contextlib.suppress(OSError), tls(lab, connect(443), version) as peer:
                get(peer)

    lab.edge(edge)
    cause = "tls-client-cert-required"
    lab.label("Java's HTTP server demands a client certificate and leaves without an alert; TLS 1.2 and 1.3",
              [(0, None, cause, [520, 525]), (1, 1, cause, [520, 525], True)], ok=0)


@scene()
def healthy__h2_cancelled_in_flight(lab, name):
    import h2.config, h2.connection, h2.events

    def origin(peer, _):
        peer = tls_origin(lab, peer, "h2")
        server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        server.initiate_connection()
        asked = []
        while len(asked) < 3:
            asked += [it.stream_id for it in server.receive_data(peer.recv(65536)) if isinstance(it, h2.events.RequestReceived)]
            if len(asked) == 1 and asked[0]:
                server.send_headers(asked[0], [(":status", "200"), ("content-length", "4")])
                server.send_data(asked[0], b"fine", end_stream=True)
                asked[0] = 0
            peer.sendall(server.data_to_send())
        server.send_headers(asked[1], [(":status", "200")])
        server.send_data(asked[1], b"part")
        peer.sendall(server.data_to_send())
        time.sleep(0.3)
        server.send_headers(asked[2], [(":status", "200"), ("content-length", "4")])
        server.send_data(asked[2], b"fine", end_stream=True)
        peer.sendall(server.data_to_send())
        time.sleep(1)

    def edge():
        peer = tls(lab, connect(443), alpn="h2")
        client = h2.connection.H2Connection()
        client.initiate_connection()

        def ask(path):
            stream = client.get_next_available_stream_id()
            client.send_headers(stream, [(":method", "GET"), (":scheme", "https"), (":authority", HOST), (":path", path)], True)
            peer.sendall(client.data_to_send())
            return stream

        def until_ended(stream):
            while not any(isinstance(it, h2.events.StreamEnded) and it.stream_id == stream
                          for it in client.receive_data(peer.recv(65536))):
                peer.sendall(client.data_to_send())

        until_ended(ask("/1"))
        cancelled, last = ask("/2"), ask("/3")
        time.sleep(0.15)
        client.reset_stream(cancelled, 8)
        peer.sendall(client.data_to_send())
        until_ended(last)
        peer.sendall(client.data_to_send())
        peer.close()

    lab.serve(origin, 443)
    lab.capture(name)
    lab.edge(edge)
    lab.label("the edge cancels a stream while its response is on the way, and answers what comes after with STREAM_CLOSED", ok=2,
              observations=["cert-would-fail-strict", "client-abort"])


def proxied(lab, name, listen, server, paths, *label, **more):
    """HAProxy as the edge of nginx."""
    nginx(lab, f"listen {listen}; ssl_certificate {lab.work}/pem; ssl_certificate_key {lab.work}/key; "
               "location = /empty { return 444; }", 443 if "443" in listen else 80)
    (lab.work / "haproxy").write_text(
        "defaults\n mode http\n timeout connect 5s\n timeout client 20s\n timeout server 20s\n"
        f"listen edge\n bind 127.0.0.1:3128\n server origin {ORIGIN}:{server}\n")
    lab.start("edge", "haproxy", "-f", lab.work / "haproxy", "-db", port=3128)
    lab.capture(name, filter="tcp port 80 or tcp port 443")

    def visitor():
        for path in paths:
            with socket.create_connection(("127.0.0.1", 3128), 20) as peer:
                peer.sendall(request(path).replace(b"\r\nHost", b"\r\nConnection: close\r\nHost"))
                until_closed(peer)
            time.sleep(0.05)

    lab.edge(visitor)
    lab.label(*label, **more)


@scene("nginx", "haproxy")
def healthy__proxy_protocol_v1(lab, name):
    proxied(lab, name, "80 proxy_protocol", "80 send-proxy", ("/", "/index.html", "/nope"),
            "haproxy as the edge sends the PROXY protocol, version 1, before each request to nginx", ok=3, observations=[])


@scene("nginx", "haproxy")
def healthy__proxy_protocol_v2_tls(lab, name):
    proxied(lab, name, "443 ssl proxy_protocol", f"443 send-proxy-v2 ssl verify none sni str({HOST})", ("/", "/index.html", "/nope"),
            "the same before TLS, version 2", observations=["cert-would-fail-strict"])


@scene("nginx", "haproxy")
def empty_response__behind_proxy_protocol(lab, name):
    proxied(lab, name, "80 proxy_protocol", "80 send-proxy-v2", ("/index.html", "/empty"),
            "PROXY protocol, version 2, then a request that nginx closes on (444)", [(1, 1, "empty-response", [520, 502])])


BOTS = (b"\x16\x03\x01\x00\x2a\x01\x00\x00\x26\x03\x03" + b"r" * 32 + b"\x00\x00\x02\x13\x01\x01\x00",
        b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00", b"SSH-2.0-Go\r\n", b"\x00" * 20,
        b"*1\r\n$4\r\nPING\r\n", b"\x04\x01\x00\x50\x01\x02\x03\x04\x00", b"\x05\x01\x00", b"USER anonymous\r\n", b"EHLO x\r\n",
        b"JRMI\x00\x02K", b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")


@scene("apache2")
def healthy__bots_on_plain_port(lab, name):
    apache(lab, 80)
    lab.capture(name)

    def edge():
        for said in BOTS:
            with contextlib.suppress(OSError), connect() as peer:
                peer.sendall(said)
                peer.shutdown(socket.SHUT_WR)
                until_closed(peer)

    lab.edge(edge)
    lab.label("bots at port 80 of apache2: a TLS hello, RDP, SSH, Redis, SOCKS, FTP, SMTP, Java RMI, an HTTP/2 preface; it answers "
              "400 in HTML or HTTP", observations=[])


@scene()
def healthy__encodings_odd(lab, name):
    def coded(coding, body):
        return b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s" % (coding, len(body), body)

    text = gzip.compress(b"hello world " * 200)
    raw = zlib.compressobj(wbits=-15)
    raw = raw.compress(b"abc" * 90) + raw.flush()
    answers = [("GET", coded(b"gzip", text + gzip.compress(b"second member"))), ("GET", coded(b"gzip", text + b"\0" * 16)),
               ("GET", coded(b"deflate", zlib.compress(b"abc" * 90))), ("GET", coded(b"deflate", raw)),
               ("GET", coded(b"x-gzip", text)), ("GET", coded(b"gzip", b"")),
               ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 500\r\n\r\n"),
               ("GET", coded(b"gzip, identity", text)), ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Encoding: gzip\r\n\r\n")]

    def origin(peer, number):
        head(peer)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        head(peer)
        peer.sendall(answers[number - 1][1])
        until_closed(peer)

    lab.serve(origin)
    lab.capture(name)

    def edge():
        for method, _ in answers:
            with connect() as peer:
                get(peer)
                peer.sendall(request("/x", method))
                time.sleep(0.15)
                peer.recv(65536)

    lab.edge(edge)
    lab.label("content codings that are odd and right: two gzip members, zeros behind one, raw deflate, an empty body, HEAD, 304; "
              "the edge closes after each", observations=[])


@scene("caddy", "brotli", "zstd")
def broken_content_encoding__caddy_precompressed(lab, name):
    files = lab.work / "files"
    files.mkdir()
    pages = {}
    for page in ("whole", "cut", "plain"):
        text = "".join(f"<p>{page} {number} {number * number % 997}</p>\n" for number in range(200)).encode()
        (files / f"{page}.html").write_bytes(text)
        for ending, pack in (("br", ["brotli", "-c"]), ("zst", ["zstd", "-c"])):
            packed = subprocess.run([*pack, files / f"{page}.html"], check=True, capture_output=True).stdout
            pages[page, ending] = {"whole": packed, "cut": packed[:-40], "plain": text}[page]
            (files / f"{page}.html.{ending}").write_bytes(pages[page, ending])
    (lab.work / "Caddyfile").write_text(
        f"{{\n admin off\n auto_https off\n}}\n:80 {{\n root * {files}\n file_server {{\n  precompressed br zstd\n }}\n}}\n")
    lab.start("origin", "env", f"HOME={lab.work}", "caddy", "run", "--config", lab.work / "Caddyfile", "--adapter", "caddyfile", port=80)
    lab.capture(name)

    def edge():
        for page, ending in pages:
            with connect() as peer:
                get(peer)
                coding = {"br": "br", "zst": "zstd"}[ending]
                peer.sendall(request(f"/{page}.html").replace(b"CF-RAY", f"Accept-Encoding: {coding}\r\nCF-RAY".encode()))
                got = head(peer)
                assert f"Content-Encoding: {coding}".lower().encode() in got.lower()
                missing = len(pages[page, ending]) - len(got) + got.find(b"\r\n\r\n") + 4
                while missing > 0:
                    missing -= len(peer.recv(65536))

    lab.edge(edge)
    lab.label("Caddy sends files that were packed before, in brotli and in zstd: whole, cut, and one that nobody packed; the edge closes "
              "after each", [(number, 2, "broken-content-encoding", [502, 520]) for number in range(2, 6)], ok=8, observations=[])


def fast_open(lab):
    """Both hosts send and take data in a SYN (RFC 7413). The origin does what the path says."""
    for space in ("edge", "origin"):
        run(*inside(space, "sysctl", "-qw", "net.ipv4.tcp_fastopen=3"))

    def listen():
        server = socket.socket()
        server.bind(("0.0.0.0", 80))
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
        server.listen()
        while True:
            threading.Thread(target=talk, args=(server.accept()[0],), daemon=True).start()

    def talk(peer):
        while asked := head(peer):
            if b"/reset" in asked:
                return reset(peer)
            if b"/empty" in asked:
                break
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        peer.close()

    lab.fork("origin", listen)
    lab.listens("origin", 80)


def ask_at_once(path):
    """Connects with a request in the SYN, once the kernel has the origin's cookie."""
    peer = socket.socket()
    with contextlib.suppress(OSError):
        peer.sendto(request(path), socket.MSG_FASTOPEN, (ORIGIN, 80))
        if head(peer):
            get(peer, "/next")
    peer.close()
    time.sleep(0.1)


@scene()
def healthy__fast_open_syns_missed(lab, name):
    fast_open(lab)
    lab.edge(lambda: ask_at_once("/cookie"))
    lab.capture(name, filter="tcp and tcp[tcpflags] & (tcp-syn|tcp-ack) != tcp-syn")
    lab.edge(lambda: [ask_at_once("/") for _ in range(3)])
    lab.label("TCP Fast Open: the first request of each connection stood in its SYN, which the capture does not hold", observations=[])


@scene("iptables")
def connect_refused__fast_open(lab, name):
    fast_open(lab)
    lab.capture(name)
    lab.edge(lambda: [ask_at_once(path) for path in ("/cookie", "/", "/empty", "/reset")])
    for reject in ("tcp-reset", "icmp-host-unreachable"):
        run(*inside("origin", "iptables", "-A", "INPUT", "-p", "tcp", "--dport", 80, "-j", "REJECT", "--reject-with", reject))
        lab.edge(lambda: ask_at_once("/rejected"))
        run(*inside("origin", "iptables", "-F"))
    lab.label("TCP Fast Open: requests in SYNs that are answered, closed on, reset, refused, and rejected by ICMP",
              [(2, 1, "empty-response", 520), (3, 1, "reset-before-response", 520), (4, None, "connect-refused", 521),
               (5, None, "connect-unreachable", 523)], ok=4, observations=[])


@scene("iptables")
def connect_unreachable__answers_rejected(lab, name):
    def origin(peer, _):
        with contextlib.suppress(OSError):
            while asked := head(peer):
                body = b"x" * (30000 if b"/large" in asked else 5)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    lab.serve(origin)
    lab.capture(name)

    def rejects(change, message):
        run(*inside("router", "iptables", change, "FORWARD", "-p", "tcp", "--sport", 80, "-j", "REJECT", "--reject-with", message))

    def give_up(peer, path):
        peer.settimeout(3.3)
        with contextlib.suppress(OSError):
            peer.connect((ORIGIN, 80)) if path is None else get(peer, path)
        reset(peer)

    for path, message in ((None, "icmp-admin-prohibited"), (None, "icmp-host-unreachable"), ("/small", "icmp-admin-prohibited"),
                          ("/large", "icmp-net-unreachable")):
        def edge():
            peer = connect() if path else socket.socket()
            if path:
                get(peer)
                (lab.work / "ready").touch()
                time.sleep(0.4)
            give_up(peer, path)

        process = lab.fork("edge", edge) if path else None
        while path and not (lab.work / "ready").exists():
            time.sleep(0.02)
        rejects("-A", message)
        if path:
            os.waitpid(process, 0)
            (lab.work / "ready").unlink()
        else:
            lab.edge(edge)
        rejects("-D", message)
    lab.label("a firewall rejects what the origin sends, by ICMP: two SYN-ACKs, of which the kernel forgets one, a small response and a "
              "large one", [(0, None, "connect-timeout", 522), (1, None, "connect-timeout", 522),
                            (2, 2, "connect-unreachable", [522, 524]), (3, 2, "connect-unreachable", [522, 524])], ok=2,
              actor=["network", "middlebox"])


@scene("nginx")
def healthy__deferred_accept(lab, name):
    nginx(lab, "listen 80 deferred;", 80)
    lab.capture(name)

    def visit(wait, leave):
        peer = connect()
        time.sleep(wait)
        if leave is get:
            get(peer)
        (peer.close if leave is get else lambda: leave(peer))()

    def edge():
        visits = [(0, get), (5, get), (8, get), (6, socket.socket.close), (6, reset), (1.5, reset)]
        visits = [threading.Thread(target=visit, args=visit_) for visit_ in visits]
        for thread in visits:
            thread.start()
        for thread in visits:
            thread.join()

    lab.edge(edge)
    lab.label("nginx waits for the first bytes in the kernel (listen ... deferred): it repeats the SYN-ACK though its ACK came; the edge "
              "asks late, or leaves without asking", ok=3)


@scene("iptables")
def connect_timeout__earlier_connection(lab, name):
    def origin(peer, _):
        while head(peer):
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    def from_one_port(path, patience):
        peer = socket.socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        peer.settimeout(patience)
        peer.bind((EDGE, 44444))
        with contextlib.suppress(OSError):
            peer.connect((ORIGIN, 80))
            get(peer, path)
        return peer

    def forgets():
        # The edge dies without a word: neither FIN nor RST leaves it.
        peer = from_one_port("/", 5)
        for flag in ("FIN", "RST"):
            run("iptables", "-A", "OUTPUT", "-p", "tcp", "--tcp-flags", flag, flag, "-j", "DROP")
        reset(peer)

    lab.serve(origin)
    lab.capture(name)
    lab.edge(forgets)
    lab.edge(lambda: from_one_port("/never", 6.5))
    run(*inside("edge", "iptables", "-F"))
    lab.edge(lambda: from_one_port("/at-last", 6.5))
    lab.label("the edge restarts without closing its connection and takes the same port again: the origin answers its SYN with an ACK of "
              "the earlier connection. First the edge's RST does not get through, then it does",
              [(1, None, "connect-timeout", 522)], ok=2, actor=["network", "origin", "middlebox"])


ASGI = """async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"120")]})
        await send({"type": "http.response.body", "body": bytes(120)})
"""


@scene("hypercorn", "curl")
def healthy__h2_end_not_awaited(lab, name):
    (lab.work / "pages.py").write_text(ASGI)
    lab.start("origin", "env", f"PYTHONPATH={lab.work}", "hypercorn", "-b", "0.0.0.0:443", "--certfile", lab.work / "pem",
              "--keyfile", lab.work / "key", "pages:app", port=443)
    lab.capture(name)

    def edge():
        pages = [word for path in "abcd" for word in ("-o", "/dev/null", f"https://{HOST}/{path}")]
        run("env", f"SSLKEYLOGFILE={lab.keys}", "curl", "-sf", "-m", "5", "--http2", "--cacert", lab.work / "ca.pem",
            "--resolve", f"{HOST}:443:{ORIGIN}", *pages)

    lab.edge(edge)
    lab.label("hypercorn sends END_STREAM in a frame of its own; curl as the edge has all bytes of content-length and resets the streams "
              "with STREAM_CLOSED before that", ok=4, observations=["cert-would-fail-strict"])


def main():
    for name, (make, needs) in SCENES.items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        missing = [program for program in needs if not shutil.which(program)]
        if missing:
            print(f"left out: {name} ({', '.join(missing)} is missing)")
            continue
        (HERE / f"{name}.keys").unlink(missing_ok=True)
        with Lab() as lab:
            make(lab, name)
        print(name)


main()
