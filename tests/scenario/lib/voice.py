#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Calls whose every packet is known beforehand: who sends them and who looks at what arrived need not talk.

    voice.py send WAY FLOWS PACKETS PPS    sends them from this network namespace, one packet of each flow a turn

A packet is a function of (way, flow, number): G.729, 20 octets each 20 ms.  Flows differ in what compressors care about:
how the IP ID goes (flow % 4: by one, at random, by seven, by one with silences that jump in time stamps), IPv4 or IPv6
(every fifth), and each has its own numbers to begin with.
"""

import random
import socket
import struct
import sys
import time

PHONES4, GATES4 = "192.0.2.", "198.51.100."
PHONES6, GATES6 = "2001:db8:77::", "2001:db8:88::"
PORT = 16384
DATA = 12 + 20  # RTP
LATE = 0.05  # seconds that a speaker makes up for


def is_v6(flow):
    return flow % 5 == 4


def total(octets):
    if len(octets) % 2:
        octets += b"\0"
    s = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return s


def ends(way, flow):
    """Source and destination, packed: up is from the phones."""
    n = 2 + flow % 250
    if is_v6(flow):
        phone, gate = (socket.inet_pton(socket.AF_INET6, f"{p}{n:x}") for p in (PHONES6, GATES6))
    else:
        phone, gate = (socket.inet_aton(f"{p}{n}") for p in (PHONES4, GATES4))
    return (phone, gate) if way == "up" else (gate, phone)


def port(flow):
    return PORT + 2 * flow


class Flow:
    """Its packets in turn; next() gives (destination, octets)."""

    def __init__(self, way, flow):
        self.rnd = random.Random(f"{way}{flow}")
        self.flow = flow
        self.src, self.dst = ends(way, flow)
        r = self.rnd
        self.first = self.seq = r.randrange(65536)
        self.ts, self.ssrc, self.id = r.randrange(1 << 32), r.randrange(1 << 32), r.randrange(1, 65536)
        self.v6 = is_v6(flow)
        self.to = socket.inet_ntop(socket.AF_INET6 if self.v6 else socket.AF_INET, self.dst)

    def next_id(self):
        kind = self.flow % 4
        if kind == 1:
            self.id = self.rnd.randrange(1, 65536)
        else:
            self.id = (self.id + (7 if kind == 2 else 1)) & 0xffff or 1

    def next(self):
        talk = self.flow % 4 == 3 and self.rnd.randrange(40) == 0
        if talk:
            self.ts += 160 * self.rnd.randrange(5, 200)
        p = struct.pack(">BBHII", 0x80, 18 | (0x80 if talk else 0), self.seq, self.ts & 0xffffffff, self.ssrc)
        p += self.rnd.randbytes(20)
        self.seq = (self.seq + 1) & 0xffff
        self.ts += 160
        self.next_id()
        udp = struct.pack(">HHH", port(self.flow), port(self.flow), 8 + len(p))
        pseudo = self.src + self.dst + struct.pack(">HH", 17, 8 + len(p))
        check = ~total(pseudo + udp + p) & 0xffff or 0xffff
        udp += struct.pack(">H", check) + p
        if self.v6:
            ip = struct.pack(">IHBB", 0x6b800000 | self.flow, len(udp), 17, 64) + self.src + self.dst
        else:
            ip = struct.pack(">BBHHHBBH", 0x45, 0xb8, 20 + len(udp), self.id, 0x4000, 64, 17, 0) + self.src + self.dst
            ip = ip[:10] + struct.pack(">H", ~total(ip) & 0xffff) + ip[12:]
        return self.to, ip + udp


def rest(ip, ids=True):
    """What must not change on the way: all but TTL and the header checksum, which must be right.  None: it is not.
    Without `ids`: nor the ID, which of a packet that may not be fragmented means nothing (RFC 6864, 4.1)."""
    if ip[0] >> 4 == 6:
        return ip[:7] + b"\0" + ip[8:]
    if total(ip[:20]) != 0xffff:
        return None
    return ip[:4] + (ip[4:6] if ids else b"\0\0") + ip[6:8] + b"\0" + ip[9:10] + b"\0\0" + ip[12:]


def find(ip):
    """(flow, sequence number) of a packet that is a call's; else None."""
    at = 40 if ip[0] >> 4 == 6 else 20
    if len(ip) < at + 40 or ip[6 if at == 40 else 9] != 17:
        return None
    s, d, seq = struct.unpack_from(">HH", ip, at) + struct.unpack_from(">H", ip, at + 10)
    if s != d or s < PORT or s % 2:
        return None
    return (s - PORT) // 2, seq


def judge(way, flows, packets, seen, ids=True):
    """What arrived (IP packets, or (time, packet)), against what was sent: a dict; `lost` has the numbers of each flow."""
    want, number = {}, {}
    for i in range(flows):
        f = Flow(way, i)
        for k in range(packets):
            number[i, f.seq] = k
            want[i, k] = rest(f.next()[1], ids)
    got, wrong, twice, late = set(), [], 0, 0
    last = {}
    for ip in seen:
        who = find(ip)
        if who is None:
            continue
        k = (who[0], number.get(who, -1))
        if want.get(k) is None or rest(ip, ids) != want[k]:
            wrong.append((who, ip.hex()))
            continue
        twice += k in got
        late += k[1] < last.get(k[0], -1)
        last[k[0]] = k[1]
        got.add(k)
    lost = [[k for k in range(packets) if (i, k) not in got] for i in range(flows)]
    return {"sent": flows * packets, "got": len(got), "wrong": wrong, "twice": twice, "late": late, "lost": lost}


def send(way, flows, packets, pps):
    four = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    six = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
    for s in (four, six):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    voices = [Flow(way, i) for i in range(flows)]
    began, gap, failed = time.monotonic(), 1 / pps, 0
    for turn in range(packets):
        for i, f in enumerate(voices):
            to, ip = f.next()
            wait = began + (turn + i / flows) * gap - time.monotonic()
            if wait > 0.0005:
                time.sleep(wait)
            elif wait < -LATE:  # held up: no phone says all at once what it did not say; thousands would fill any queue
                began -= wait + LATE
            try:
                (six if f.v6 else four).sendto(ip, (to, 0))
            except OSError as e:
                failed += 1
                print(e, flush=True)
    print(f"sent {flows * packets} failed {failed} seconds {time.monotonic() - began:.2f}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 6 or sys.argv[1] != "send" or sys.argv[2] not in ("up", "down"):
        sys.exit(__doc__)
    send(sys.argv[2], *(int(w) for w in sys.argv[3:6]))
