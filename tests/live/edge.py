#!/usr/bin/env python3
"""Visits an origin as an edge does, once for each fault, and leaves an answer that is wrong at once."""

import socket
import ssl
import sys
import time

ORIGIN = sys.argv[1]


def request(path):
    return f"GET {path} HTTP/1.1\r\nHost: shop.example\r\nCF-Ray: 8f3b2c1d0e9a7b65-FRA\r\n\r\n".encode()


def connect(port, timeout=10):
    return socket.create_connection((ORIGIN, port), timeout)


def read(connection, until=b""):
    answer = b""
    try:
        while not until or until not in answer:
            data = connection.recv(65536)
            if not data:
                break
            answer += data
    except OSError:
        pass
    return answer


def visit(path, until=b""):
    with connect(8080) as connection:
        connection.sendall(request(path))
        read(connection, until)


def visit_tls(path):
    context = ssl._create_unverified_context()
    with connect(8444) as connection:
        with context.wrap_socket(connection, server_hostname="shop.example") as tls:
            tls.sendall(request(path))
            read(tls)


def healthy():
    for _ in range(3):
        with connect(80) as connection:
            for _ in range(3):
                connection.sendall(request("/"))
                read(connection, b"</html>")


def refused():
    try:
        connect(8443)
    except OSError:
        pass


def unanswered():
    # The address is routed to the origin's host and belongs to nobody there.
    try:
        socket.create_connection(("10.52.9.9", 80), 4)
    except OSError:
        pass


def not_tls():
    context = ssl.create_default_context()
    try:
        with connect(80) as connection:
            context.wrap_socket(connection, server_hostname="shop.example")
    except OSError:
        pass


def race():
    # The origin's FIN is kept from the edge, as a long way would for a moment.
    connection = connect(8081)
    connection.sendall(request("/"))
    read(connection, b"</html>")
    time.sleep(1.5)
    try:
        connection.sendall(request("/cart"))
        read(connection)
    except OSError:
        pass
    connection.close()


def timeout():
    with connect(8080) as connection:
        connection.sendall(request("/stall"))
        time.sleep(4)


def main():
    for fault in sys.argv[2:]:
        match fault:
            case "healthy":
                healthy()
            case "refused":
                refused()
            case "unanswered":
                unanswered()
            case "not-tls":
                not_tls()
            case "race":
                race()
            case "timeout":
                timeout()
            case "tls-empty" | "tls-truncated":
                visit_tls(fault.replace("tls-", "/"))
            case "header" | "framing":
                visit("/" + fault, b"ok")
            case "chunk":
                visit("/chunk", b"broken")
            case "status-line" | "status-code":
                visit("/" + fault, b"\r\n\r\n")
            case "bare":
                visit("/bare", b"\n")
            case _:
                visit("/" + fault)
        time.sleep(0.1)


main()
