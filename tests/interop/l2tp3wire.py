# SPDX-License-Identifier: Apache-2.0
"""One end of an L2TPv3 control connection, from RFC 3931 alone: packets, digests, hiding and data are made here, and no
code is shared with the project.  Used by conformance-l2tpv3.py and tests/scenario/l2tpv3-switchover."""

import ctypes
import hashlib
import hmac
import os
import random
import select
import socket
import struct
import time

PATIENCE = 0.5      # seconds of silence before something is sent again
SCCRQ, SCCRP, SCCCN, STOPCCN, HELLO, OCRQ, OCRP, OCCN, ICRQ, ICRP, ICCN, CDN, WEN, SLI, ACK = \
    1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 20
dice = random.Random(3931)


def avp(attr, value=b"", m=1, vendor=0, bits=0):
    return struct.pack("!HHH", m << 15 | bits | 6 + len(value), vendor, attr) + value


def u16(v):
    return struct.pack("!H", v)


def u32(v):
    return struct.pack("!I", v)


def hmac_of(kind, key, octets):
    return hmac.new(key, octets, hashlib.md5 if kind == 0 else hashlib.sha1).digest()


def digest(kind, secret, one, other, message):
    """5.4.1: HMAC(HMAC-MD5(secret, 2), nonces + message); an SCCRQ goes without the nonces, which the caller knows."""
    return hmac_of(kind, hmac_of(0, secret, b"\2"), one + other + message)


def hide_or_unhide(attr, secret, vector, octets, hiding):
    """5.3: b(1) = MD5(attribute + key + vector), b(i) = MD5(key + c(i-1)), the key being HMAC-MD5(secret, 1)."""
    key, out = hmac_of(0, secret, b"\1"), b""
    mask = hashlib.md5(u16(attr) + key + vector).digest()
    for at in range(0, len(octets), 16):
        part = octets[at:at + 16]
        done = bytes(a ^ b for a, b in zip(part, mask))
        out += done
        mask = hashlib.md5(key + (done if hiding else part)).digest()
    return out


def hidden(attr, secret, vector, value, padding=b"", m=1):
    plain = u16(len(value)) + value + padding
    return avp(attr, hide_or_unhide(attr, secret, vector, plain, True), m, bits=0x4000)


def parse(message, secrets=()):
    """`secrets`: what hidden values may be under; the first that makes sense."""
    bits, length, cid, ns, nr = struct.unpack("!HHIHH", message[:12])
    avps, at, vector = [], 12, b""
    while at + 6 <= length:
        head, vendor, attr = struct.unpack("!HHH", message[at:at + 6])
        n = head & 0x3ff
        value = message[at + 6:at + n]
        if (vendor, attr) == (0, 36):
            vector = value
        for s in secrets if head & 0x4000 else ():
            plain = hide_or_unhide(attr, s, vector, value, False)
            size, = struct.unpack("!H", plain[:2])
            if size <= len(plain) - 2:
                value = plain[2:2 + size]
                break
        avps.append((vendor, attr, value, at, head))
        at += n
    return {"bits": bits, "length": length, "cid": cid, "ns": ns, "nr": nr, "avps": avps, "octets": message[:length],
            "type": struct.unpack("!H", avps[0][2])[0] if avps else None}


def get(m, attr):
    return next((v for vendor, a, v, _, _ in m["avps"] if vendor == 0 and a == attr), None)


def result(m):
    v = get(m, 1) if m else None
    return struct.unpack("!HH", v[:4].ljust(4, b"\0")) if v else None


class Space:
    """A network namespace: sockets are made in it."""

    def __init__(self, name):
        self.fd, self.home = os.open(f"/run/netns/{name}", os.O_RDONLY), os.open("/proc/self/ns/net", os.O_RDONLY)
        self.libc = ctypes.CDLL(None, use_errno=True)

    def socket(self, *kind):
        if self.libc.setns(self.fd, 0x40000000):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            return socket.socket(*kind)
        finally:
            self.libc.setns(self.home, 0x40000000)


class Peer:
    """One end of a control connection, in lock step: what is sent goes again until something answers it."""
    space, us, node, us6, node6 = None, "10.10.0.10", "10.10.0.1", "fd00:10::10", "fd00:10::1"

    def __init__(self, host, ip=False, secret=None, kind=0, nonce=16, v6=False, port=0):
        self.ip, self.secret, self.kind, self.host, self.v6 = ip, secret, kind, host, v6
        self.secrets = [secret] if secret is not None else []  # of which the node's digests may be, one of each
        family, address, self.node = (socket.AF_INET6, self.us6, self.node6) if v6 else (socket.AF_INET, self.us, self.node)
        self.sock = self.space.socket(family, socket.SOCK_RAW, 115) if ip else self.space.socket(family, socket.SOCK_DGRAM)
        self.sock.bind((address, port))
        self.id, self.cid, self.ns, self.nr = dice.randrange(1 << 16, 1 << 32), 0, 0, 0
        self.nonce, self.theirs = (dice.randbytes(nonce), b"") if secret is not None else (b"", b"")
        self.bad, self.data, self.remote = [], [], 0

    def sealed(self, kind, body, ns, digests, ver=3, front=b"", bits=0):
        """`digests`: (type, secret) each, right by that secret; None for the secret: wrong.  `front` stands before them."""
        sizes = [{0: 16, 1: 20}.get(k, 16) for k, _ in digests]
        first = avp(0, u16(kind)) + front
        out = first + b"".join(avp(59, bytes([k]) + bytes(n)) for (k, _), n in zip(digests, sizes)) + body
        out = struct.pack("!HHIHH", 0xC800 | bits | ver, 12 + len(out), self.cid, ns, self.nr) + out
        one, other = (b"", b"") if kind == SCCRQ else (self.nonce, self.theirs)
        at, done = 12 + len(first) + 7, out
        for (k, secret), n in zip(digests, sizes):
            if secret is not None and k in (0, 1):
                done = done[:at] + digest(k, secret, one, other, out) + done[at + n:]
            at += n + 7
        return done

    def message(self, kind, body, ns, spoil=False, ver=3, **how):
        digests = [] if self.secret is None else [(self.kind, None if spoil else self.secret)]
        return self.sealed(kind, body, ns, digests, ver, **how)

    def raw(self, octets):
        self.sock.sendto((bytes(4) if self.ip else b"") + octets, (self.node, 0 if self.ip else 1701))

    def send_data(self, session, octets, flags=3):
        """A data message; `octets` from the cookie on."""
        self.sock.sendto((b"" if self.ip else u32(flags << 16)) + u32(session) + octets, (self.node, 0 if self.ip else 1701))

    def take(self, packet):
        if self.ip:
            packet = packet if self.v6 else packet[(packet[0] & 15) * 4:]
            if packet[:4] != bytes(4):
                self.data.append((struct.unpack("!I", packet[:4])[0], packet[4:]))
                return None
            packet = packet[4:]
        elif not packet[0] & 0x80:
            if packet[:4] != b"\0\3\0\0":
                self.bad.append(("4.1.2.1", "Ver 3, and zeros, in front of data", packet[:4].hex()))
            self.data.append((struct.unpack("!I", packet[4:8])[0], packet[8:]))
            return None
        if len(packet) < 12:
            return None
        m = parse(packet, self.secrets)
        if m["cid"] not in (0, self.id):  # of another connection, on the same socket
            return None
        if m["bits"] != 0xC803 or m["length"] != len(packet):
            self.bad.append(("3.2.1", "T, L, S and Ver 3, and no other bit", hex(m["bits"])))
        if self.secret is not None:
            self.judge(m)
        return m

    def judge(self, m):
        if m["type"] in (SCCRQ, SCCRP) and get(m, 73):
            self.theirs = get(m, 73)
        places = [(v, at) for vendor, a, v, at, _ in m["avps"][1:3] if (vendor, a) == (0, 59)]
        if not places:
            self.bad.append(("5.4.1", "a digest behind Message Type", m["type"]))
            return
        clear = bytearray(m["octets"])
        for v, at in places:
            clear[at + 7:at + 6 + len(v)] = bytes(len(v) - 1)
        one, other = (b"", b"") if m["type"] == SCCRQ else (self.theirs, self.nonce)
        for n, (v, _) in enumerate(places):
            secret = self.secrets[min(n, len(self.secrets) - 1)]
            if digest(v[0], secret, one, other, bytes(clear)) != v[1:]:
                self.bad.append(("5.4.1", f"digest {n} of type {v[0]}", m["type"]))

    def hear(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.sock], [], [], left)[0]:
                m = self.take(self.sock.recv(4096))
                if m:
                    return m
        return None

    def ack(self):
        self.raw(self.message(ACK, b"", self.ns))

    def say(self, kind, *avps, until=None, seconds=15, octets=None):
        """Sends, and gives the message of type `until` (None: the acknowledgement; a tuple: any of them)."""
        wanted = until if isinstance(until, tuple) else (until,)
        ns, self.ns = self.ns, (self.ns + 1) & 0xffff
        end, acked = time.monotonic() + seconds, False
        while time.monotonic() < end:
            if not acked:
                self.raw(octets or self.message(kind, b"".join(avps), ns))
            while m := self.hear(PATIENCE):
                acked |= m["nr"] == self.ns
                fresh = m["type"] not in (None, ACK) and m["ns"] == self.nr
                if fresh:
                    self.nr = (self.nr + 1) & 0xffff
                if m["type"] not in (None, ACK) and m["type"] not in wanted:
                    self.ack()
                if fresh and m["type"] in wanted:
                    return m
                if until is None and acked:
                    return m
        return None

    def wait(self, kind, seconds=15):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            m = self.hear(PATIENCE)
            if m and m["type"] not in (None, ACK):
                if m["ns"] == self.nr:
                    self.nr = (self.nr + 1) & 0xffff
                    self.ack()
                    if m["type"] == kind:
                        return m
                else:
                    self.ack()
        return None

    def hear_data(self, fits, seconds=30, again=None):
        """The first data message (session, octets) that fits; `again` is called whenever it is quiet for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            while self.data:
                d = self.data.pop(0)
                if fits(*d):
                    return d
            if again:
                again()
            m = self.hear(PATIENCE / 5)
            if m and m["type"] not in (None, ACK):
                if m["ns"] == self.nr:
                    self.nr = (self.nr + 1) & 0xffff
                self.ack()
        return None

    def who(self, pw=u16(7), without=()):
        """The AVPs of an SCCRQ."""
        avps = ([(73, avp(73, self.nonce))] if self.nonce else []) + [
            (7, avp(7, self.host.encode())), (60, avp(60, u32(77))), (61, avp(61, u32(self.id))), (62, avp(62, pw)),
            (3, avp(3, u32(3))), (4, avp(4, u32(3)))]
        return [a for n, a in avps if n not in without]

    def request(self, *more, pw=u16(7), without=(), **kw):
        return self.say(SCCRQ, *self.who(pw, without), *more, **kw)

    def asked_by_node(self, seconds=30):
        """The node's SCCRQ to us."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            m = self.hear(PATIENCE)
            if m and m["type"] == SCCRQ:
                self.nr, self.cid = 1, struct.unpack("!I", get(m, 61))[0]
                return m
        return None

    def up(self, *more):
        m = self.request(*more, until=SCCRP)
        if m is None:
            return None
        self.cid = struct.unpack("!I", get(m, 61))[0]
        self.say(SCCCN)
        return m

    def stop(self):
        return self.say(STOPCCN, avp(1, u16(1)), avp(61, u32(self.id)))

    def alive(self):
        return (m := self.say(HELLO)) is not None and m["type"] == ACK

    def asked(self, session, pw=7, status=3, without=(), m=1):
        """The AVPs of an ICRQ."""
        avps = [(63, u32(session)), (64, u32(0)), (15, u32(1)), (68, u16(pw)), (71, u16(status))]
        return [avp(n, v, m) for n, v in avps if n not in without]

    def icrq(self, session, *more, pw=7, until=ICRP, status=3, **kw):
        return self.say(ICRQ, *self.asked(session, pw, status), *more, until=until, **kw)

    def iccn(self, session, *more):
        return self.say(ICCN, avp(63, u32(session)), avp(64, u32(self.remote)), avp(74, struct.pack("!Q", 10 ** 10), m=0),
                        avp(19, u32(1)), *more)

    def call(self, session=0x12345678, *more):
        m = self.icrq(session, avp(65, b"cookie12"), *more)
        if m:
            self.remote = struct.unpack("!I", get(m, 63))[0]
            self.iccn(session)
        return m
