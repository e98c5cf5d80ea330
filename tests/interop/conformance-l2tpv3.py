#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""L2TPv3 conformance of one node, from outside: RFC 3931 clause by clause, over UDP and straight over IP.
Run by conformance-l2tpv3.sh; packets and digests are made here, from the RFC alone.

Last lines: what failed, and `N checks, N failed`.
"""

import ctypes
import hashlib
import hmac
import os
import random
import select
import socket
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "bench")]
sys.dont_write_bytecode = True

import lab as labs  # noqa: E402

SECRET = b"correct horse"
US, NODE = "10.10.0.10", "10.10.0.1"
PATIENCE = 0.5      # seconds of silence before something is sent again
failed, done = [], 0
dice = random.Random(3931)
SCCRQ, SCCRP, SCCCN, STOPCCN, HELLO, OCRQ, OCRP, OCCN, ICRQ, ICRP, ICCN, CDN, SLI, ACK = \
    1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 14, 16, 20


def check(clause, what, ok, detail=""):
    global done
    done += 1
    if not ok:
        failed.append(f"{clause}: {what}" + (f" ({detail})" if detail != "" else ""))
        print(f"  FAILED {failed[-1]}")
    return ok


def avp(attr, value=b"", m=1, vendor=0):
    return struct.pack("!HHH", m << 15 | 6 + len(value), vendor, attr) + value


def u16(v):
    return struct.pack("!H", v)


def u32(v):
    return struct.pack("!I", v)


def digest(kind, secret, one, other, message):
    """5.4.1: HMAC(HMAC-MD5(secret, 2), nonces + message); an SCCRQ goes without the nonces, which the caller knows."""
    key = hmac.new(secret, b"\2", hashlib.md5).digest()
    return hmac.new(key, one + other + message, hashlib.md5 if kind == 0 else hashlib.sha1).digest()


def parse(message):
    bits, length, cid, ns, nr = struct.unpack("!HHIHH", message[:12])
    avps, at = [], 12
    while at + 6 <= length:
        head, vendor, attr = struct.unpack("!HHH", message[at:at + 6])
        n = head & 0x3ff
        avps.append((vendor, attr, message[at + 6:at + n], at, head))
        at += n
    return {"bits": bits, "length": length, "cid": cid, "ns": ns, "nr": nr, "avps": avps, "octets": message[:length],
            "type": struct.unpack("!H", avps[0][2])[0] if avps else None}


def get(m, attr):
    return next((v for vendor, a, v, _, _ in m["avps"] if vendor == 0 and a == attr), None)


class Space:
    def __init__(self, name):
        self.fd, self.home = os.open(f"/run/netns/{name}", os.O_RDONLY), os.open("/proc/self/ns/net", os.O_RDONLY)
        self.libc = ctypes.CDLL(None, use_errno=True)

    def socket(self, *kind):
        if self.libc.setns(self.fd, 0x40000000):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            return socket.socket(socket.AF_INET, *kind)
        finally:
            self.libc.setns(self.home, 0x40000000)


class Peer:
    """One end of a control connection, in lock step: what is sent goes again until something answers it."""
    space = None

    def __init__(self, host, ip=False, secret=None, kind=0):
        self.ip, self.secret, self.kind, self.host = ip, secret, kind, host
        self.sock = self.space.socket(socket.SOCK_RAW, 115) if ip else self.space.socket(socket.SOCK_DGRAM)
        self.sock.bind((US, 0))
        self.id, self.cid, self.ns, self.nr = dice.randrange(1 << 16, 1 << 32), 0, 0, 0
        self.nonce, self.theirs = (dice.randbytes(16), b"") if secret is not None else (b"", b"")
        self.bad = []

    def message(self, kind, body, ns, spoil=False, ver=3):
        plain = self.secret is None
        n = {0: 16, 1: 20}[self.kind]
        out = avp(0, u16(kind)) + (b"" if plain else avp(59, bytes([self.kind]) + bytes(n))) + body
        head = struct.pack("!HHIHH", 0xC800 | ver, 12 + len(out), self.cid, ns, self.nr)
        out = head + out
        if not plain:
            one, other = (b"", b"") if kind == SCCRQ else (self.nonce, self.theirs)
            d = digest(self.kind, self.secret, one, other, out)
            out = out[:27] + (bytes(n) if spoil else d) + out[27 + n:]
        return out

    def raw(self, octets):
        self.sock.sendto((bytes(4) if self.ip else b"") + octets, (NODE, 0 if self.ip else 1701))

    def take(self, packet):
        if self.ip:
            packet = packet[(packet[0] & 15) * 4:]
            if packet[:4] != bytes(4):
                return None
            packet = packet[4:]
        if len(packet) < 12 or not packet[0] & 0x80:
            return None
        m = parse(packet)
        if m["bits"] != 0xC803 or m["length"] != len(packet):
            self.bad.append(("3.2.1", "T, L, S and Ver 3, and no other bit", hex(m["bits"])))
        if self.secret is not None:
            self.judge(m)
        return m

    def judge(self, m):
        if m["type"] == SCCRP and get(m, 73):
            self.theirs = get(m, 73)
        places = [(v, at) for vendor, a, v, at, _ in m["avps"][1:3] if (vendor, a) == (0, 59)]
        if not places:
            self.bad.append(("5.4.1", "a digest behind Message Type", m["type"]))
            return
        clear = bytearray(m["octets"])
        for v, at in places:
            clear[at + 7:at + 6 + len(v)] = bytes(len(v) - 1)
        for v, _ in places:
            if digest(v[0], self.secret, self.theirs, self.nonce, bytes(clear)) != v[1:]:
                self.bad.append(("5.4.1", f"digest of type {v[0]}", m["type"]))

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
        """Sends, and gives the message of type `until` (None: the acknowledgement)."""
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
                if m["type"] not in (None, ACK) and m["type"] != until:
                    self.ack()
                if fresh and m["type"] == until:
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

    def request(self, *more, pw=u16(7), **kw):
        return self.say(SCCRQ, *([avp(73, self.nonce)] if self.nonce else []), avp(7, self.host.encode()), avp(60, u32(77)),
                        avp(61, u32(self.id)), avp(62, pw), avp(3, u32(3)), avp(4, u32(3)), *more, **kw)

    def up(self):
        m = self.request(until=SCCRP)
        if m is None:
            return None
        self.cid = struct.unpack("!I", get(m, 61))[0]
        self.say(SCCCN)
        return m

    def icrq(self, session, *more, pw=7, until=ICRP, status=3):
        return self.say(ICRQ, avp(63, u32(session)), avp(64, u32(0)), avp(15, u32(1)), avp(68, u16(pw)),
                        avp(71, u16(status)), *more, until=until)


def result(m):
    v = get(m, 1) if m else None
    return struct.unpack("!HH", v[:4].ljust(4, b"\0")) if v else None


def call(p, session=0x12345678, *more):
    m = p.icrq(session, avp(65, b"cookie12"), *more)
    if m:
        p.remote = struct.unpack("!I", get(m, 63))[0]
        p.say(ICCN, avp(63, u32(session)), avp(64, u32(p.remote)), avp(74, struct.pack("!Q", 10 ** 10), m=0), avp(19, u32(1)))
    return m


def handshake(name, host, **how):
    p = Peer(host, **how)
    m = p.up()
    if not check("3.3.1", f"{name}: SCCRQ is answered by SCCRP", m is not None):
        return None
    check("6.2", f"{name}: SCCRP has Host Name, Router ID, id, pseudowires", all(get(m, a) for a in (7, 60, 61, 62)))
    check("PPP", f"{name}: 0x0007 is among the pseudowires", u16(7) in [get(m, 62)[i:i + 2] for i in range(0, len(get(m, 62)), 2)])
    check("5.4.1", f"{name}: a nonce, if and only if we sent one", bool(get(m, 73)) == bool(p.nonce))
    check("3.2.1", f"{name}: our id of 32 bits is in the header", m["cid"] == p.id)
    m = call(p)
    if check("7.3.2", f"{name}: ICRQ is answered by ICRP", m is not None):
        check("5.4.4", f"{name}: ICRP echoes our id", get(m, 64) == u32(0x12345678))
        check("5.4.5", f"{name}: ICRP has Circuit Status, new and active", get(m, 71) == u16(3))
        check("5.4.4", f"{name}: a cookie of 8 octets is assigned", len(get(m, 65) or b"") == 8)
        m = p.say(SLI, avp(63, u32(0x12345678)), avp(64, u32(p.remote)), avp(71, u16(0)))
        check("6.14", f"{name}: an SLI is acknowledged", m is not None)
        m = p.say(CDN, avp(1, u16(3)), avp(63, u32(0x12345678)), avp(64, u32(p.remote)))
        check("6.12", f"{name}: a CDN is acknowledged", m is not None)
    check("4.4", f"{name}: a Hello is acknowledged", (h := p.say(HELLO)) is not None)
    check("6.15", f"{name}: by an ACK with a Message Type", h is not None and h["type"] == ACK)
    p.say(STOPCCN, avp(1, u16(1)), avp(61, u32(p.id)))
    for clause, what, detail in p.bad[:3]:
        check(clause, f"{name}: {what}", False, detail)
    check("5.4.1", f"{name}: every message of the node is as it must be", not p.bad)
    return p


def refusals():
    def refused(clause, what, p, want, *more, **kw):
        m = p.request(*more, until=STOPCCN, seconds=8, **kw)
        check(clause, what, result(m) == want if want[1] is not None else (result(m) or [0])[0] == want[0], result(m))

    refused("5.4.2", "a version that the profile does not take: result 5, highest 2", Peer("old"), (5, 2))
    refused("4.3", "authentication that is required: result 4", Peer("auth"), (4, None))
    refused("PPP", "no PPP among the pseudowires", Peer("plain"), (2, None), pw=u16(5))
    refused("5.2", "an unknown AVP with M: 2/8", Peer("plain"), (2, 8), avp(9999, b"x"))
    p = Peer("auth", secret=b"wrong")
    check("5.4.1", "a wrong secret is dropped, and not answered", p.request(until=SCCRP, seconds=1.5) is None)
    p = Peer("auth", secret=SECRET)
    p.up()
    p.raw(p.message(STOPCCN, avp(1, u16(1)) + avp(61, u32(p.id)), p.ns, spoil=True))
    check("5.4.1", "a StopCCN with a wrong digest changes nothing", p.say(HELLO) is not None and call(p) is not None)
    p.say(STOPCCN, avp(1, u16(1)), avp(61, u32(p.id)))


def calls():
    p = Peer("plain")
    p.up()
    check("5.4.4", "another pseudowire: CDN 14", (result(p.icrq(1001, pw=5, until=CDN)) or [0])[0] == 14)
    m = p.icrq(1002, avp(70, u16(2)), until=CDN)
    check("5.4.4", "sequencing without a sublayer: CDN 15", (result(m) or [0])[0] == 15)
    check("5.4.4", "the CDN names our session", m is not None and get(m, 64) == u32(1002))
    m = p.icrq(1003, avp(9999, b"x"), until=CDN)
    check("5.2", "an unknown AVP with M: CDN 2/8", result(m) == (2, 8), result(m))
    check("5.2", "and without M: ignored", p.icrq(1004, avp(9999, b"x", m=0)) is not None)
    check("6.6", "sequencing with its sublayer", p.icrq(1005, avp(69, u16(1)), avp(70, u16(2))) is not None)
    p.say(STOPCCN, avp(1, u16(1)), avp(61, u32(p.id)))


def both_versions():
    p = Peer("either")
    v2 = (avp(2, b"\1\0") + avp(3, u32(3)) + avp(9, u16(4711)) + avp(7, b"either") + avp(60, u32(77), m=0) +
          avp(61, u32(p.id), m=0) + avp(62, u16(7), m=0))
    m = p.say(SCCRQ, until=SCCRP, octets=p.message(SCCRQ, v2, 0, ver=2))
    check("4.7.3", "a request in both forms is answered in L2TPv3", m is not None and m["cid"] == p.id)
    if m:
        p.cid = struct.unpack("!I", get(m, 61))[0]
        check("4.7.3", "and the connection comes up", p.say(SCCCN) is not None and call(p) is not None)
        p.say(STOPCCN, avp(1, u16(1)), avp(61, u32(p.id)))


def profile(name, **more):
    return {"name": name, "host-name": name, "local-host-name": "lns", "ppp": "subs", "version": "3", **more}


def main():
    lab = labs.Lab(workers=1)
    with open(f"{lab.dir}/users", "w") as f:
        f.write("")
    Peer.space = Space(lab.ns("lac"))
    node = lab.node("a", **{
        "service-address": [{"interface": "access0", "address": NODE, "prefix-length": 24},
                            {"interface": "core0", "address": "10.20.0.1", "prefix-length": 24}],
        "data-plane/listen": [{"address": "0.0.0.0"}], "data-plane/ip-protocol": [115],
        "aaa": {"mode": "local", "users-file": f"{lab.dir}/users"},
        "profile": [profile("plain"), profile("auth", **{"require-auth": True, "secret": SECRET.decode(),
                                                         "l2tpv3": {"digests": "hmac-md5 hmac-sha1"}}),
                    profile("old", version="2"), profile("either", version="both")],
        "lns-group": []})
    labs.sh(f"ip -n {lab.ns('lac')} addr add {US}/24 dev access0 || true")
    node.wait("active")
    for name, how in (("UDP", {}), ("IP", {"ip": True})):
        handshake(name, "plain", **how)
        handshake(f"{name}, MD5", "auth", secret=SECRET, **how)
        handshake(f"{name}, SHA-1", "auth", secret=SECRET, kind=1, **how)
    refusals()
    calls()
    both_versions()
    if failed:
        os.environ.setdefault("TWIN_KEEP", "")
        print("\nFAILED:\n  " + "\n  ".join(failed))
    print(f"{done} checks, {len(failed)} failed")
    return 1 if failed or not done else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except labs.Trouble as e:
        print(f"failed: {e}")
        sys.exit(1)
