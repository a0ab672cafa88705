#!/usr/bin/env python3
"""faulty.py [SOCKET | --tls PORT CERTIFICATE KEY KEYLOG]: an origin that does wrong what it is asked for.

GET /FAULT on port 8080, on this Unix socket, or under TLS on this port, whose secrets it then writes into the key log.
"""

import socket
import ssl
import struct
import sys
import threading
import time

OK = b"HTTP/1.1 200 OK\r\nServer: faulty\r\n"

ANSWERS = {
    "/ok": OK + b"Content-Length: 2\r\n\r\nok",
    "/empty": b"",
    "/truncated": OK + b"Content-Length: 1000\r\n\r\n" + b"x" * 300,
    "/bare": b"<html>no status line</html>\n",
    "/status-line": b"HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n",
    "/status-code": b"HTTP/1.1 999 Strange\r\nContent-Length: 0\r\n\r\n",
    "/header": OK + b"Bad Header: x\r\nContent-Length: 2\r\n\r\nok",
    "/chunk": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nbroken\r\n",
    "/framing": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "/reset": b"",
    "/reset-body": OK + b"Content-Length: 1000\r\n\r\n" + b"x" * 300,
    "/stall": None,
}


def serve(connection):
    with connection:
        while True:
            request = b""
            while b"\r\n\r\n" not in request:
                data = connection.recv(65536)
                if not data:
                    return
                request += data
            path = request.split()[1].decode()
            answer = ANSWERS.get(path, ANSWERS["/ok"])
            if answer is None:
                # Says nothing until the other side has left.
                while connection.recv(65536):
                    pass
                return
            connection.sendall(answer)
            if path in ("/ok", "/framing"):
                continue
            time.sleep(0.05)
            if path.startswith("/reset"):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif path in ("/header", "/chunk", "/status-line", "/status-code", "/bare"):
                # The edge leaves such an answer.
                connection.settimeout(3)
                try:
                    connection.recv(65536)
                except OSError:
                    pass
            return


def main():
    context = None
    if sys.argv[1:2] == ["--tls"]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[3], sys.argv[4])
        context.keylog_filename = sys.argv[5]
        listener = socket.create_server(("", int(sys.argv[2])), backlog=1024)
    elif len(sys.argv) > 1:
        listener = socket.create_server(sys.argv[1], family=socket.AF_UNIX, backlog=1024)
    else:
        listener = socket.create_server(("", 8080), backlog=1024)
    while True:
        connection, _ = listener.accept()
        if context:
            connection = context.wrap_socket(connection, server_side=True)
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


main()
