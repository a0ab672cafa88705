#!/usr/bin/env python3
"""Takes planted-12.pcap and planted-13.pcap: secrets in every place of an exchange that fails under TLS.

Run as root in a network namespace of its own, from this folder: unshare --net python3 make.py
It needs openssl and tcpdump.
"""

import contextlib
import os
import socket
import ssl
import subprocess
import tempfile
import threading
import time

TOKEN, PASSWORD = "Zq8xVb2LmK9sPw0", "hunter2-Tr0ub4dor"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl"
EMAIL, ENCODED, BASIC = "ann.lee@mail.example", "ann.lee%40mail.example", "c2VjcmV0OnBhc3N3b3Jk"

BODY = f'{{"token":"{TOKEN}","password":"{PASSWORD}","mail":"{EMAIL}"}}'
REQUEST = (
    f"POST /a/{JWT}?token={TOKEN}&to={ENCODED} HTTP/1.1\r\nHost: shop.example\r\nCF-Ray: 8f3b2c1d0e9a7b65-FRA\r\n"
    f"Cookie: sid={TOKEN}; user={EMAIL}\r\nAuthorization: Basic {BASIC}\r\nX-Api-Key: {PASSWORD}\r\n"
    f"Content-Length: {len(BODY)}\r\n\r\n{BODY}"
)
RESPONSE = (
    f"HTTP/1.1 200 OK\r\nServer: nginx\r\nSet-Cookie: sid={TOKEN}\r\nSet-Cookie pass={PASSWORD}\r\n"
    f"Location: /?token={TOKEN}&to={EMAIL}\r\nContent-Length: 900\r\n\r\n{BODY}"
)


def take(name, version):
    certificate = tempfile.NamedTemporaryFile(suffix=".pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=shop.example", "-days", "3650",
         "-keyout", certificate.name, "-out", certificate.name + ".crt"], check=True, capture_output=True)
    origin = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    origin.load_cert_chain(certificate.name + ".crt", certificate.name)
    edge = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    edge.check_hostname, edge.verify_mode = False, ssl.CERT_NONE
    edge.minimum_version = edge.maximum_version = version
    keys = f"{name}.keys"
    if os.path.exists(keys):
        os.remove(keys)
    edge.keylog_filename = keys
    listener = socket.create_server(("127.0.0.1", 443))

    def serve():
        connection = origin.wrap_socket(listener.accept()[0], server_side=True)
        received = b""
        while len(received) < len(REQUEST):
            received += connection.recv(65536)
        for part in (RESPONSE[:70], RESPONSE[70:]):
            connection.sendall(part.encode())
            time.sleep(0.05)
        with contextlib.suppress(ssl.SSLError):  # the edge does not answer the close_notify
            connection.unwrap()

    capture = subprocess.Popen(["tcpdump", "-i", "lo", "-U", "-w", f"{name}.pcap", "tcp"], stderr=subprocess.PIPE)
    capture.stderr.readline()
    thread = threading.Thread(target=serve)
    thread.start()
    client = edge.wrap_socket(socket.create_connection(("127.0.0.1", 443)), server_hostname="shop.example")
    for part in (REQUEST[:150], REQUEST[150:]):
        client.sendall(part.encode())
        time.sleep(0.05)
    while client.recv(65536):
        pass
    client.close()
    thread.join()
    listener.close()
    time.sleep(1)
    capture.terminate()
    capture.wait()


subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
take("planted-12", ssl.TLSVersion.TLSv1_2)
take("planted-13", ssl.TLSVersion.TLSv1_3)
