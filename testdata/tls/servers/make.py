#!/usr/bin/env python3
"""Takes the captures of this folder anew: one connection each to a real TLS server, with the client's key log.

    sudo ./make.py [NAME...]

Needs Linux with network namespaces, Python 3, tcpdump and openssl; nginx for nginx-*, Go for go-*, and Rust for rustls-*,
which are left out where they are missing. All traffic stays inside one network namespace. Writes NAME.pcap, NAME.keys and
NAME.json, which says what must come out: version and cipher suite, and the status of each response.
"""
import contextlib, json, os, pathlib, shutil, signal, socket, subprocess, sys, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent
NS = "tls-captures"
SNI = "shop.example"
REQUEST = f"GET / HTTP/1.1\r\nHost: {SNI}\r\nConnection: close\r\n\r\n"


def inside(*command, **options):
    return ["ip", "netns", "exec", NS, *map(str, command)]


def certificates(folder):
    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Captures", "-days", "30")
    for name, kind in (("rsa", ["rsa:2048"]), ("ec", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]), ("client", ["rsa:2048"])):
        openssl("req", "-newkey", *kind, "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={SNI}")
        (folder / "san").write_text(f"subjectAltName=DNS:{SNI}\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{name}.pem", "-days", "30", "-extfile", "san")


@contextlib.contextmanager
def running(command, log):
    with open(log, "ab") as out:
        process = subprocess.Popen(inside(*command), stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    try:
        for _ in range(200):
            listening = subprocess.run(inside("ss", "-ltnH"), capture_output=True, text=True).stdout
            if ":443 " in listening:
                break
            if process.poll() is not None:
                raise RuntimeError(pathlib.Path(log).read_text()[-400:])
            time.sleep(0.05)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        time.sleep(0.2)


def s_server(work, certificate, *options):
    return ["openssl", "s_server", "-accept", "443", "-cert", work / f"{certificate}.pem", "-key", work / f"{certificate}.key", "-www", *options]


def nginx(work, options):
    text = f"""daemon off; pid {work}/nginx.pid; error_log stderr; events {{}}
http {{ access_log off; server {{ listen 443 ssl; server_name {SNI}; ssl_certificate {work}/rsa.pem; ssl_certificate_key {work}/rsa.key;
{options} location / {{ default_type text/plain; return 200 "hello from nginx\\n"; }} }} }}"""
    file = work / f"{abs(hash(options))}.conf"
    file.write_text(text)
    return ["nginx", "-c", file]


GO = """package main
import ("crypto/tls"; "fmt"; "net/http"; "os")
func main() { suite := map[string]uint16{"128": tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "256": tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "chacha": tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305, "cbc": tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}
 config := &tls.Config{}
 if suite, ok := suite[os.Args[1]]; ok { config = &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}} }
 server := &http.Server{Addr: ":443", TLSConfig: config, TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hello from Go") })}
 fmt.Println(server.ListenAndServeTLS(os.Args[2], os.Args[3])) }
"""


def go(work, suite):
    (work / "origin.go").write_text(GO)
    program = work / "go-origin"
    if not program.exists():
        environment = dict(os.environ, GO111MODULE="off", GOCACHE=str(work / "cache"), GOFLAGS="")
        subprocess.run(["go", "build", "-o", program, work / "origin.go"], check=True, env=environment)
    return [program, suite, work / "rsa.pem", work / "rsa.key"]


def rustls(work, version, suite):
    subprocess.run(["cargo", "build", "--quiet", "--target-dir", work / "target", "--manifest-path", HERE / "rustls-origin/Cargo.toml"], check=True)
    return [work / "target/debug/rustls-origin", version, suite, work / "rsa.pem", work / "rsa.key"]


class Client:
    """openssl s_client, which knows every feature that is asked for here."""

    def __init__(self, work, keys):
        self.work, self.keys = work, keys

    def __call__(self, *options, send=REQUEST, steps=(), wait=1.0):
        command = inside("openssl", "s_client", "-connect", "127.0.0.1:443", "-servername", SNI, "-keylogfile", self.keys, "-CAfile", self.work / "ca.pem", *options)
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.3)
        for step in (*steps, send):
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(step.encode())
                process.stdin.flush()
            time.sleep(0.3)
        time.sleep(wait)
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.kill()
        process.wait()


def once(*options):
    return lambda client: client(*options)


def resumed(*options):
    def connect(client):
        session = client.work / "session"
        client(*options, "-sess_out", session)
        client(*options, "-sess_in", session)

    return connect


def early(client):
    session, data = client.work / "session", client.work / "early"
    data.write_text(REQUEST)
    client("-sess_out", session)
    client("-sess_in", session, "-early_data", data, send="")


def captures(work):
    """Name: (server, what the client does, version, suite, responses, features)."""
    table = {}

    def add(name, server, connect, version, suite, responses=1, *features):
        table[name] = (server, connect, version, suite, responses, features)

    for suite in ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256", "AES_128_CCM_SHA256", "AES_128_CCM_8_SHA256"):
        options = ["-tls1_3", "-ciphersuites", f"TLS_{suite}"]
        add(f"openssl-13-{suite.lower().rsplit('_', 1)[0].replace('_', '-')}", s_server(work, "rsa", *options), once(*options), "1.3", f"TLS_{suite}")
    for short, openssl, iana, certificate in (
        ("aes128-gcm", "ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "rsa"),
        ("aes256-gcm", "ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "rsa"),
        ("ecdsa-aes128-gcm", "ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ec"),
        ("dhe-aes256-gcm", "DHE-RSA-AES256-GCM-SHA384", "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", "rsa"),
        ("static-rsa-aes128-gcm", "AES128-GCM-SHA256", "TLS_RSA_WITH_AES_128_GCM_SHA256", "rsa"),
        ("chacha", "ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "rsa"),
        ("ecdsa-aes256-ccm", "ECDHE-ECDSA-AES256-CCM", "TLS_ECDHE_ECDSA_WITH_AES_256_CCM", "ec"),
        ("ecdsa-aes128-ccm8", "ECDHE-ECDSA-AES128-CCM8", "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", "ec"),
        ("cbc-sha", "ECDHE-RSA-AES128-SHA", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "rsa"),
        ("cbc-sha256", "ECDHE-RSA-AES128-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "rsa"),
        ("cbc-sha384", "ECDHE-RSA-AES256-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", "rsa"),
    ):
        cipher = ["-tls1_2", "-cipher", f"{openssl}:@SECLEVEL=0"]
        features = ["encrypt-then-mac"] if "cbc" in short else []
        add(f"openssl-12-{short}", s_server(work, certificate, *cipher), once(*cipher), "1.2", iana, 1, *features)
    cbc = ["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA256"]
    add("openssl-12-cbc-mac-then-encrypt", s_server(work, "rsa", *cbc, "-no_etm"), once(*cbc), "1.2", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256")
    for version in ("1.0", "1.1"):
        options = [f"-tls{version.replace('.', '_').removesuffix('_0')}", "-cipher", "ECDHE-RSA-AES256-SHA:@SECLEVEL=0"]
        add(f"openssl-{version.replace('.', '')}-cbc-sha", s_server(work, "rsa", *options), once(*options), version, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA")
    add("nginx-13-key-update", nginx(work, "ssl_protocols TLSv1.3; keepalive_timeout 9s;"), lambda client: client(steps=("K\n", "k\n")), "1.3", "TLS_AES_256_GCM_SHA384", 1, "key-update")
    add("openssl-12-renegotiation", s_server(work, "rsa", "-tls1_2", "-client_renegotiation"), lambda client: client("-legacy_renegotiation", steps=("R\n",)), "1.2", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", 1, "renegotiation")
    add("openssl-12-resumed-by-id", s_server(work, "rsa", "-tls1_2", "-no_ticket"), resumed("-no_ticket"), "1.2", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", 2, "resumption")
    add("nginx-13", nginx(work, "ssl_protocols TLSv1.3;"), once(), "1.3", "TLS_AES_256_GCM_SHA384")
    add("nginx-13-hello-retry", nginx(work, "ssl_protocols TLSv1.3; ssl_ecdh_curve secp384r1;"), once("-groups", "X25519:P-384"), "1.3", "TLS_AES_256_GCM_SHA384", 1, "hello-retry-request")
    add("nginx-13-resumed", nginx(work, "ssl_protocols TLSv1.3;"), resumed(), "1.3", "TLS_AES_256_GCM_SHA384", 2, "resumption")
    add("nginx-13-early-data", nginx(work, "ssl_protocols TLSv1.3; ssl_early_data on;"), early, "1.3", "TLS_AES_256_GCM_SHA384", 2, "early-data", "resumption")
    add("nginx-13-client-certificate", nginx(work, f"ssl_protocols TLSv1.3; ssl_verify_client on; ssl_client_certificate {work}/ca.pem;"), once("-cert", work / "client.pem", "-key", work / "client.key"), "1.3", "TLS_AES_256_GCM_SHA384", 1, "client-certificate")
    add("nginx-12-client-certificate", nginx(work, f"ssl_protocols TLSv1.2; ssl_verify_client on; ssl_client_certificate {work}/ca.pem;"), once("-cert", work / "client.pem", "-key", work / "client.key"), "1.2", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", 1, "client-certificate")
    add("nginx-12-resumed-by-ticket", nginx(work, "ssl_protocols TLSv1.2;"), resumed(), "1.2", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", 2, "resumption")
    if shutil.which("go"):
        add("go-13", lambda: go(work, "any"), once("-ciphersuites", "TLS_AES_128_GCM_SHA256"), "1.3", "TLS_AES_128_GCM_SHA256")
        for suite, iana in (("128", "AES_128_GCM_SHA256"), ("256", "AES_256_GCM_SHA384"), ("chacha", "CHACHA20_POLY1305_SHA256"), ("cbc", "AES_128_CBC_SHA")):
            add(f"go-12-{suite}", lambda suite=suite: go(work, suite), once(), "1.2", f"TLS_ECDHE_RSA_WITH_{iana}")
    if shutil.which("cargo"):
        for suite in ("TLS13_AES_128_GCM_SHA256", "TLS13_AES_256_GCM_SHA384", "TLS13_CHACHA20_POLY1305_SHA256"):
            add(f"rustls-13-{suite.split('_', 1)[1].rsplit('_', 1)[0].lower().replace('_', '-')}", lambda suite=suite: rustls(work, "1.3", suite), once(), "1.3", suite.replace("TLS13", "TLS"))
        add("rustls-12-chacha", lambda: rustls(work, "1.2", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"), once(), "1.2", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256")
    return table


def take(name, work, server, connect, version, suite, responses, features):
    pcap, keys = HERE / f"{name}.pcap", HERE / f"{name}.keys"
    keys.write_text("")
    with running(server() if callable(server) else server, work / f"{name}.log"):
        dump = subprocess.Popen(inside("tcpdump", "-i", "lo", "-U", "--immediate-mode", "-s", "0", "-w", pcap, "tcp port 443"), stderr=subprocess.PIPE)
        dump.stderr.readline()
        time.sleep(0.2)
        connect(Client(work, keys))
        time.sleep(0.3)
        dump.send_signal(signal.SIGINT)
        dump.wait()
    label = {"capture": pcap.name, "keylog": keys.name, "version": version, "cipher": suite, "statuses": [200] * responses, "features": list(features)}
    (HERE / f"{name}.json").write_text(json.dumps(label, indent=1) + "\n")


def main():
    if os.geteuid() != 0:
        sys.exit("make.py makes a network namespace: run it as root")
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        certificates(work)
        subprocess.run(["ip", "netns", "add", NS], check=True)
        try:
            subprocess.run(["ip", "-n", NS, "link", "set", "lo", "up", "mtu", "1500"], check=True)
            for name, capture in captures(work).items():
                if not sys.argv[1:] or name in sys.argv[1:]:
                    take(name, work, *capture)
                    print(name, flush=True)
        finally:
            subprocess.run(["ip", "netns", "del", NS], check=True)


if __name__ == "__main__":
    main()
