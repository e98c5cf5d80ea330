# SPDX-License-Identifier: Apache-2.0
"""Conformance of a node inside a session, as a peer sees it.

A LAC of its own (RFC 2661: one tunnel a socket, calls in it), a PPP peer that says exactly what a check wants
said, and a host behind the node.  Written from the RFC texts: 1661, 1662, 1334, 1994, 2759, 1332, 1877, 5072, 4861,
2661, 3145; nothing here is shared with the node.  A story (def s_...) holds one call or a few; each `ck` in it is one
check and names its clause.  Stories run side by side, a tunnel each.

    conformance-ppp.sh [STORY...]      only those whose name contains one of the words; -v: each check
"""

import concurrent.futures
import ctypes
import hashlib
import json
import os
import random
import socket
import struct
import sys
import threading
import time
import traceback

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", d) for d in ("bench", "lab")]
import lab as bench  # noqa: E402  (starts nodes; speaks no protocol)
import still  # noqa: E402

LCP, PAP, CHAP, IPCP, IP6CP, IP4, IP6 = 0xC021, 0xC023, 0xC223, 0x8021, 0x8057, 0x0021, 0x0057
REQ, ACK, NAK, REJ, TREQ, TACK, CODEREJ, PROTREJ, ECHO, REPLY, DISCARD = range(1, 12)
MRU, ACCM, AUTH, MAGIC, PFC, ACFC = 1, 2, 3, 5, 7, 8
A_PAP, A_MD5, A_MS2 = b"\xc0\x23", b"\xc2\x23\x05", b"\xc2\x23\x81"
LOCAL4, DNS1, DNS2 = "10.20.0.1", "10.20.0.10", "10.20.0.53"
QUIET = 0.25  # how long silence is listened to
PATIENCE = 8.0  # how long an answer is waited for


# --- RFC 1320 and FIPS 46, since libraries drop them; for RFC 2759 ------------------------------------------

def md4(data):
    def rot(x, n):
        x &= 0xFFFFFFFF
        return (x << n | x >> 32 - n) & 0xFFFFFFFF
    s = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    data = data + b"\x80" + bytes(-(len(data) + 9) % 64) + struct.pack("<Q", 8 * len(data))
    for at in range(0, len(data), 64):
        x = struct.unpack("<16I", data[at:at + 64])
        a, b, c, d = s
        rounds = (
            (lambda b, c, d: b & c | ~b & d, 0, range(16), (3, 7, 11, 19)),
            (lambda b, c, d: b & c | b & d | c & d, 0x5A827999, [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
             (3, 5, 9, 13)),
            (lambda b, c, d: b ^ c ^ d, 0x6ED9EBA1, [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15], (3, 9, 11, 15)))
        for f, k, order, shifts in rounds:
            for i, n in enumerate(order):
                a, b, c, d = d, rot(a + f(b, c, d) + x[n] + k, shifts[i % 4]), b, c
        s = [(u + v) & 0xFFFFFFFF for u, v in zip(s, (a, b, c, d))]
    return struct.pack("<4I", *s)


def des(key56, block):
    ip = [r - 8 * c for r in (58, 60, 62, 64, 57, 59, 61, 63) for c in range(8)]
    fp = [0] * 64
    for i, v in enumerate(ip):
        fp[v - 1] = i + 1
    e = [(4 * r + c - 1) % 32 + 1 for r in range(8) for c in range(6)]
    p = [16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10,
         2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25]
    pc2 = [14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2,
           41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32]
    pc1 = [57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36,
           63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4]
    boxes = [
        "e4d12fb83a6c5907" "0f74e2d1a6cb9538" "41e8d62bfc973a50" "fc8249175b3ea06d",
        "f18e6b34972dc05a" "3d47f28ec01a69b5" "0e7ba4d158c6932f" "d8a13f42b67c05e9",
        "a09e63f51dc7b428" "d709346a285ecbf1" "d6498f30b12c5ae7" "1ad069874fe3b52c",
        "7de3069a1285bc4f" "d8b56f03472c1ae9" "a690cb7df13e5284" "3f06a1d8945bc72e",
        "2c417ab6853fd0e9" "eb2c47d150fa3986" "421bad78f9c5630e" "b8c71e2d6f09a453",
        "c1af92680d34e75b" "af427c9561de0b38" "9ef528c3704a1db6" "432c95fabe17608d",
        "4b2ef08d3c975a61" "d0b7491ae35c2f86" "14bdc37eaf680592" "6bd814a7950fe23c",
        "d2846fb1a93e50c7" "1fd8a374c56b0e92" "7b419ce206adf358" "21e74a8dfc90356b"]

    def bits(data):
        return [data[i // 8] >> 7 - i % 8 & 1 for i in range(8 * len(data))]

    def pick(table, b):
        return [b[i - 1] for i in table]
    k56 = bits(key56)
    k64 = [x for i in range(8) for x in k56[7 * i:7 * i + 7] + [0]]
    cd = pick(pc1, k64)
    c, d = cd[:28], cd[28:]
    b = pick(ip, bits(block))
    left, right = b[:32], b[32:]
    for shift in (1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1):
        c, d = c[shift:] + c[:shift], d[shift:] + d[:shift]
        x = [u ^ v for u, v in zip(pick(e, right), pick(pc2, c + d))]
        out = []
        for n in range(8):
            q = x[6 * n:6 * n + 6]
            v = int(boxes[n][(q[0] * 2 + q[5]) * 16 + q[1] * 8 + q[2] * 4 + q[3] * 2 + q[4]], 16)
            out += [v >> 3 & 1, v >> 2 & 1, v >> 1 & 1, v & 1]
        left, right = right, [u ^ v for u, v in zip(left, pick(p, out))]
    r = pick(fp, right + left)
    return bytes(sum(r[8 * i + j] << 7 - j for j in range(8)) for i in range(8))


def ms_challenge(peer, auth, user):  # RFC 2759, 8.2
    return hashlib.sha1(peer + auth + user).digest()[:8]


def ms_nt_response(auth, peer, user, password):  # 8.1
    h = md4(password.decode().encode("utf-16-le")) + bytes(5)
    c = ms_challenge(peer, auth, user)
    return b"".join(des(h[i:i + 7], c) for i in (0, 7, 14))


def ms_auth_response(password, nt, peer, auth, user):  # 8.7
    h = md4(md4(password.decode().encode("utf-16-le")))
    d = hashlib.sha1(h + nt + b"Magic server to client signing constant").digest()
    d = hashlib.sha1(d + ms_challenge(peer, auth, user) + b"Pad to make it do more than one iteration").digest()
    return b"S=" + d.hex().upper().encode()


# --- namespaces ----------------------------------------------------------------------------------------------

libc = ctypes.CDLL(None, use_errno=True)
ns_lock = threading.Lock()


def in_space(space, make):
    """A socket made inside a namespace stays there; the thread comes back."""
    with ns_lock:
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{space}", os.O_RDONLY)
        try:
            if libc.setns(there, 0x40000000):
                raise OSError(ctypes.get_errno(), "setns")
            return make()
        finally:
            libc.setns(home, 0x40000000)
            os.close(home)
            os.close(there)


# --- L2TP: RFC 2661 ------------------------------------------------------------------------------------------

def avp(kind, value, m=True):
    if isinstance(value, int):
        value = struct.pack("!H", value)
    return struct.pack("!HHH", (0x8000 if m else 0) | 6 + len(value), 0, kind) + value


def avps(data):
    out = {}
    while len(data) >= 6:
        n = struct.unpack("!H", data[:2])[0] & 0x3FF
        vendor, kind = struct.unpack("!HH", data[2:6])
        if n < 6:
            break
        if vendor == 0:
            out.setdefault(kind, data[6:n])
        data = data[n:]
    return out


class Nothing(Exception):
    """What was waited for did not come."""


class Tunnel:
    ids = iter(range(100, 60000))

    def __init__(self, world, host, bind="10.10.0.10"):
        self.world, self.calls, self.ctl = world, {}, []
        self.tid, self.peer, self.ns, self.nr, self.una = next(self.ids), 0, 0, 0, []
        self.tos = None

        def make():
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            s.bind((bind, 0))
            s.connect((bench.SERVICE, 1701))
            return s
        self.s = in_space(world.lab.ns("lac"), make)
        self.control(1, avp(2, 0x0100) + avp(3, struct.pack("!I", 3)) + avp(7, host.encode()) + avp(9, self.tid) + avp(10, 64))
        reply = self.await_control(2)
        self.peer = struct.unpack("!H", reply[9])[0]
        self.control(3, b"")

    def raw(self, data):
        try:
            self.s.send(data)
        except OSError:
            pass

    def control(self, kind, body, sid=0):
        body = avp(0, kind) + body
        m = struct.pack("!HHHHHH", 0xC802, 12 + len(body), self.peer, sid, self.ns, self.nr) + body
        self.una.append((self.ns, m, time.monotonic()))
        self.ns = self.ns + 1 & 0xFFFF
        self.raw(m)

    def pump(self, seconds):
        """Takes what comes for so long; answers control messages; repeats ours."""
        self.s.settimeout(max(seconds, 0.001))
        now = time.monotonic()
        for i, (ns, m, t) in enumerate(self.una):
            if now - t > 1:
                self.una[i] = (ns, m, now)
                self.raw(m)
        try:
            data, anc, _, _ = self.s.recvmsg(9000, 64)
        except (socket.timeout, BlockingIOError, ConnectionRefusedError):
            return False
        tos = next((v[0] for lv, k, v in anc if k == socket.IP_TOS), 0)
        self.take(data, tos)
        return True

    def take(self, data, tos):
        bits = struct.unpack("!H", data[:2])[0]
        at, end = 2, len(data)
        if bits & 0x4000:
            end = struct.unpack("!H", data[2:4])[0]
            at = 4
        tid, sid = struct.unpack("!HH", data[at:at + 4])
        at += 4
        ns = nr = None
        if bits & 0x0800:
            ns, nr = struct.unpack("!HH", data[at:at + 4])
            at += 4
        if bits & 0x0200:
            at += 2 + struct.unpack("!H", data[at:at + 2])[0]
        if not bits & 0x8000:
            if sid in self.calls:
                self.calls[sid].frame(data[at:end], ns, tos, len(data))
            return
        self.una = [u for u in self.una if (nr - u[0] - 1) & 0x8000]
        if at == end:
            return
        if ns == self.nr:
            self.nr = self.nr + 1 & 0xFFFF
            a = avps(data[at:end])
            a["sid"], a["kind"] = sid, struct.unpack("!H", a.get(0, b"\0\0"))[0]
            (self.calls[sid].ctl if sid in self.calls else self.ctl).append(a)
        self.raw(struct.pack("!HHHHHH", 0xC802, 12, self.peer, 0, self.ns, self.nr))

    def until(self, seconds, find):
        end = time.monotonic() + seconds
        while True:
            got = find()
            if got is not None and got is not False:
                return got
            left = end - time.monotonic()
            if left <= 0:
                return None
            self.pump(min(left, 0.5))

    def await_control(self, kind, box=None, seconds=PATIENCE):
        box = self.ctl if box is None else box

        def find():
            for i, a in enumerate(box):
                if a["kind"] == kind:
                    return box.pop(i)
            return None
        got = self.until(seconds, find)
        if got is None:
            raise Nothing(f"control message {kind}")
        return got

    def call(self, **more):
        return Call(self, **more)


class Call:
    """A session of a tunnel, and the PPP peer in it."""
    ids = iter(range(1000, 60000))

    def __init__(self, tunnel, extra=b"", establish=True):
        self.t, self.frames, self.ctl = tunnel, [], []
        self.sid, self.id = next(self.ids), random.randrange(1, 200)
        self.magic = random.randrange(1 << 31) | 1
        self.seq = None
        self.ip = self.prefix = None
        tunnel.calls[self.sid] = self
        tunnel.control(10, avp(14, self.sid) + avp(15, struct.pack("!I", self.sid)))
        reply = tunnel.await_control(11, self.ctl)
        self.peer = struct.unpack("!H", reply[14])[0]
        self.name = f"{tunnel.peer}/{self.peer}"
        tunnel.control(12, avp(24, struct.pack("!I", 1000000)) + avp(19, struct.pack("!I", 1)) + extra, self.peer)

    # ---- octets

    def send_raw(self, frame, ns=None, offset=False):
        if ns is None and self.seq is not None:
            ns = self.seq
            self.seq = self.seq + 1 & 0xFFFF
        bits = 2 | (0x0800 if ns is not None else 0)
        head = struct.pack("!HHH", bits, self.t.peer, self.peer)
        if ns is not None:
            head += struct.pack("!HH", ns, 0)
        self.t.raw(head + frame)

    def send(self, proto, info, acfc=False, pfc=False, ns=None):
        head = b"" if acfc else b"\xff\x03"
        self.send_raw(head + (bytes([proto]) if pfc else struct.pack("!H", proto)) + info, ns)

    def packet(self, proto, code, ident, data=b"", **how):
        self.send(proto, struct.pack("!BBH", code, ident, 4 + len(data)) + data, **how)

    def frame(self, data, ns, tos, size):
        f = {"whole": data, "ns": ns, "tos": tos, "size": size, "acfc": True, "pfc": False}
        if data[:2] == b"\xff\x03":
            data, f["acfc"] = data[2:], False
        if data and data[0] & 1:
            f["proto"], data, f["pfc"] = data[0], data[1:], True
        else:
            f["proto"], data = struct.unpack("!H", data[:2])[0], data[2:]
        f["info"] = data
        if f["proto"] & 0x8000 and len(data) >= 4:
            f["code"], f["id"], n = struct.unpack("!BBH", data[:4])
            f["data"] = data[4:n]
        self.frames.append(f)

    def get(self, proto, code=None, seconds=PATIENCE, ident=None, test=None):
        """The first frame that fits, or None; those that do not fit stay."""
        codes = code if isinstance(code, tuple) else (code,)

        def find():
            for i, f in enumerate(self.frames):
                if f["proto"] == proto and (code is None or f.get("code") in codes) and \
                        (ident is None or f.get("id") == ident) and (test is None or test(f)):
                    return self.frames.pop(i)
            return None
        return self.t.until(seconds, find)

    def want(self, proto, code=None, **how):
        f = self.get(proto, code, **how)
        if f is None:
            raise Nothing(f"{proto:#06x} code {code} id {how.get('ident')}")
        return f

    def none(self, proto, code=None, seconds=QUIET, **how):
        return self.get(proto, code, seconds=seconds, **how) is None

    def forget(self):
        while self.t.pump(0.01):
            pass
        self.frames.clear()

    def ask(self, proto, options, code=(ACK, NAK, REJ), raw=None):
        """A Configure-Request of ours and what is answered to it."""
        self.id = self.id % 250 + 1
        for _ in range(3):  # a busy machine loses a datagram now and then; a peer repeats itself (RFC 1661, 4.6)
            self.packet(proto, REQ, self.id, enc(options) if raw is None else raw)
            f = self.get(proto, code, ident=self.id, seconds=PATIENCE / 3)
            if f:
                return f
        raise Nothing(f"an answer to Configure-Request {self.id} of {proto:#06x}")

    def until_any(self, *kinds, seconds=PATIENCE):
        """The first frame of any of these (protocol, code), or the end of the call."""
        def find():
            return next((f for f in self.frames if (f["proto"], f.get("code")) in kinds), None) or self.ended() or None
        got = self.t.until(seconds, find)
        return got if got is not True else None

    def alive(self):
        """Everything that was sent before was looked at: an echo came back."""
        self.id = self.id % 250 + 1
        self.packet(LCP, ECHO, self.id, struct.pack("!I", self.magic))
        return self.get(LCP, REPLY, ident=self.id) is not None

    def ended(self):
        return any(a["kind"] == 14 for a in self.ctl)

    def cdn(self, seconds=PATIENCE):
        a = self.t.await_control(14, self.ctl, seconds)
        cause = struct.unpack("!HHB", a[46][:5]) if 46 in a else (None, None, None)
        return struct.unpack("!H", a[1][:2])[0], cause, a

    def hang_up(self):
        self.t.control(14, avp(1, 1) + avp(14, self.sid), self.peer)

    # ---- phases

    def their_request(self, proto=LCP, ack=True, seconds=PATIENCE):
        f = self.want(proto, REQ, seconds=seconds)
        if ack:
            self.packet(proto, ACK, f["id"], f["data"])
        return f, dec(f["data"])

    def lcp(self, options=None, nak_auth=None):
        f, theirs = self.their_request(ack=nak_auth is None)
        if nak_auth:
            self.packet(LCP, NAK, f["id"], enc([(AUTH, nak_auth)]))
            f, theirs = self.their_request()
        options = [(MRU, b"\x05\xdc"), (MAGIC, struct.pack("!I", self.magic))] if options is None else options
        if self.ask(LCP, options)["code"] != ACK:
            raise Nothing("LCP Configure-Ack")
        self.theirs = dict(theirs)
        return self.theirs

    def pap(self, user, password, seconds=PATIENCE):
        self.id = self.id % 250 + 1
        self.packet(PAP, 1, self.id, pstr(user) + pstr(password))
        return self.want(PAP, (2, 3), ident=self.id, seconds=seconds)

    def chap(self, user, password, value=None, ident=None):
        c = self.want(CHAP, 1)
        n = c["data"][0]
        self.challenge, self.server = c["data"][1:1 + n], c["data"][1 + n:]
        if value is None:
            value = hashlib.md5(bytes([c["id"]]) + password.encode() + self.challenge).digest()
        self.packet(CHAP, 2, c["id"] if ident is None else ident, bytes([len(value)]) + value + user.encode())
        return c

    def ipcp(self):
        self.their_request(IPCP)
        f = self.ask(IPCP, [(3, bytes(4))])
        if f["code"] != NAK:
            raise Nothing("an address by Configure-Nak")
        self.ip = dict(dec(f["data"]))[3]
        if self.ask(IPCP, [(3, self.ip)])["code"] != ACK:
            raise Nothing("IPCP Configure-Ack")
        return socket.inet_ntoa(self.ip)

    def ipv6cp(self, iid=b"\x02\x00\x00\xff\xfe\x00\x00\x07"):
        f, theirs = self.their_request(IP6CP)
        self.router_iid, self.iid = dict(theirs)[1], iid
        if self.ask(IP6CP, [(1, iid)])["code"] != ACK:
            raise Nothing("IPV6CP Configure-Ack")
        ra = self.want(IP6, test=lambda f: f["info"][40:41] == b"\x86")["info"]
        self.prefix = next((v[14:22] for k, v in nd_options(ra[56:]) if k == 3), None)
        return ra

    def up(self, user="alice", password="secret", v6=False, options=None):
        self.lcp(options)
        if self.theirs.get(AUTH) == A_PAP:
            if self.pap(user, password)["code"] != 2:
                raise Nothing("PAP Authenticate-Ack")
        self.ipcp()
        if v6:
            self.ipv6cp()
            self.ip6 = self.prefix + self.iid
        # forwarding is a row that the workers hear of a moment later
        self.t.world.until(lambda: self.show().get("subscriber", {}).get("forwarding"))
        return self

    def show(self):
        try:
            return json.loads(self.t.world.node.ctl("--json", "show", "session", self.name))
        except (bench.Trouble, ValueError):
            return {}


def enc(options):
    return b"".join(bytes([k, 2 + len(v)]) + v for k, v in options)


def dec(data):
    out = []
    while len(data) >= 2 and 2 <= data[1] <= len(data):
        out.append((data[0], data[2:data[1]]))
        data = data[data[1]:]
    return out


def nd_options(data):
    out = []
    while len(data) >= 8 and data[1]:
        out.append((data[0], data[2:8 * data[1]]))
        data = data[8 * data[1]:]
    return out


def pstr(text):
    text = text.encode() if isinstance(text, str) else text
    return bytes([len(text)]) + text


# --- IP ------------------------------------------------------------------------------------------------------

def csum(data):
    data += b"\0" * (len(data) % 2)
    s = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def pseudo(src, dst, proto, n):
    return src + dst + (struct.pack("!BBH", 0, proto, n) if len(src) == 4 else struct.pack("!II", n, proto))


def udp(src, dst, payload, sport=4000, dport=4001):
    h = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0)
    c = csum(pseudo(src, dst, 17, 8 + len(payload)) + h + payload) or 0xFFFF
    return h[:6] + struct.pack("!H", c) + payload


def tcp_syn(src, dst, mss):
    h = struct.pack("!HHIIBBHHH", 4000, 4001, 1, 0, 0x60, 2, 65000, 0, 0) + struct.pack("!BBH", 2, 4, mss)
    c = csum(pseudo(src, dst, 6, len(h)) + h)
    return h[:16] + struct.pack("!H", c) + h[18:]


def ipv4(src, dst, body, proto=17, ttl=64, tos=0, df=False, ident=None):
    ident = random.randrange(1 << 16) if ident is None else ident
    h = struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(body), ident, 0x4000 if df else 0, ttl, proto, 0) + src + dst
    return h[:10] + struct.pack("!H", csum(h)) + h[12:] + body


def ipv6(src, dst, body, proto=17, hops=64, tc=0):
    return struct.pack("!IHBB", 6 << 28 | tc << 20, len(body), proto, hops) + src + dst + body


def a4(text):
    return socket.inet_aton(text)


def a6(text):
    return socket.inet_pton(socket.AF_INET6, text)


class Core:
    """The host behind the node: hears all that comes, says whole IP packets."""

    def __init__(self, lab):
        self.lock = threading.Lock()

        def make():
            s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            s.bind(("core0", 0))
            four = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
            six = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
            return s, four, six
        self.s, self.four, self.six = in_space(lab.ns("host"), make)
        self.seen = []

    def send(self, packet):
        if packet[0] >> 4 == 4:
            self.four.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))
        else:
            self.six.sendto(packet, (socket.inet_ntop(socket.AF_INET6, packet[24:40]), 0))

    def get(self, test, seconds=PATIENCE):
        end = time.monotonic() + seconds
        while True:
            with self.lock:
                self.s.settimeout(0.02)
                try:
                    data, where = self.s.recvfrom(70000)
                    if where[2] != 4:  # our own going out
                        self.seen.append(data)
                        del self.seen[:-4000]
                except (socket.timeout, BlockingIOError):
                    pass
                for i, p in enumerate(self.seen):
                    if test(p):
                        return self.seen.pop(i)
            if time.monotonic() > end:
                return None

    def marked(self, mark, seconds=PATIENCE):
        return self.get(lambda p: mark in p, seconds)


# --- the world, and what is said about it ---------------------------------------------------------------------

class World:
    def __init__(self, verbose, more=()):
        self.verbose, self.lock = verbose, threading.Lock()
        self.passed, self.failed, self.marks = 0, [], 0
        self.story = threading.local()  # what this thread's story found wrong
        self.lab = bench.Lab(workers=2)
        bench.sh(f"ip -n {self.lab.ns('lac')} addr add 10.10.0.11/24 dev access0")
        users = f"{self.lab.dir}/users"
        with open(users, "w") as f:
            f.write(USERS)
        os.chmod(users, 0o600)

        def ppp(name, **more):
            d = {"name": name, "auth": ["pap"], "local-address": LOCAL4, "dns": [DNS1, DNS2], "pool": "v4", "pool6": "v6",
                 "restart-time": 1500, "max-failure": 3, "echo-interval": 30000}
            d.update({k.replace("_", "-"): v for k, v in more.items()})
            return d
        ppps = [ppp("std"), ppp("choice", auth=["chap-md5", "pap"]), ppp("ms", auth=["ms-chap-v2"]),
                ppp("quick", restart_time=100, max_configure=4, echo_interval=200, echo_failures=2),
                ppp("asks", ask_pfc=True, ask_acfc=True, mru=1400), ppp("tiny", pool="tiny"),
                ppp("again", auth=["chap-md5"], chap_again_time=400),
                ppp("four", ipv6=False), ppp("free", auth=["none"], max_failure=10)] + [ppp(**x) for x in more]
        profiles = [{"name": p["name"], "host-name": p["name"], "local-host-name": "lns", "ppp": p["name"]} for p in ppps]
        profiles.append({"name": "anew", "host-name": "anew", "local-host-name": "lns", "ppp": "choice", "proxy": "renegotiate"})
        self.node = self.lab.node("a", **{
            "ppp": ppps, "profile": profiles, "aaa": {"mode": "local", "users-file": users},
            "data-plane/punt-session-rate": 100000,
            "pool": [{"name": "v4", "range": [{"first": "100.64.0.2", "last": "100.64.15.254"}]},
                     {"name": "tiny", "range": [{"first": "100.64.64.1", "last": "100.64.64.1"}]},
                     {"name": "v6", "family": "ipv6",
                      "range": [{"first": "2001:db8:1000::", "last": "2001:db8:1000:ffff::"}]}]})
        self.node.wait("active")
        self.active = time.monotonic()
        self.core = Core(self.lab)
        self.pids = self.node.pids()

    def tunnel(self, host="std", **more):
        return Tunnel(self, host, **more)

    def mark(self):
        with self.lock:
            self.marks += 1
            return b"<mark %08d>" % self.marks

    def ck(self, ok, clause, what):
        with self.lock:
            if ok:
                self.passed += 1
            else:
                getattr(self.story, "wrong", self.failed).append(f"{clause}: {what}")
            if self.verbose or not ok:
                print(f"{'ok  ' if ok else 'FAIL'} {clause}: {what}", flush=True)
        return bool(ok)

    def until(self, condition, seconds=PATIENCE):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    def ctl(self, *words):
        return json.loads(self.node.ctl("--json", *words))


USERS = """
alice  secret
bob    builder   Framed-IP-Address = 100.64.16.5
twin*  secret    Framed-IP-Address = 100.64.16.6
short  secret    Session-Timeout = 2
idle   secret    Idle-Timeout = 6
fine   secret    Filter-Id = gold, Session-Timeout = 3600
six    secret    Framed-IPv6-Prefix = 2001:db8:1001:7::/64
lost   secret    Framed-Pool = nowhere
small  secret    Framed-MTU = 1300
u*     secret
mallory -        reject
"""


# --- stories: LCP ---------------------------------------------------------------------------------------------

def s_digests(w, ck):
    """The instruments first: RFC 1320 A.5, RFC 2759 9.2."""
    ck(md4(b"abc").hex() == "a448017aaf21d8525fc10ae87aa6729d", "RFC 1320 A.5", "our MD4")
    auth, peer = bytes.fromhex("5B5D7C7D7B3F2F3E3C2C602132262628"), bytes.fromhex("21402324255E262A28295F2B3A337C7E")
    nt = ms_nt_response(auth, peer, b"User", b"clientPass")
    ck(nt.hex().upper() == "82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF", "RFC 2759 9.2", "our NT-Response")
    ck(ms_auth_response(b"clientPass", nt, peer, auth, b"User") == b"S=407A5589115FD0D6209F510FE9C04566932CDA56",
       "RFC 2759 9.2", "our authenticator response")


def s_lcp_request(w, ck):
    t = w.tunnel("asks")
    c = t.call()
    f, o = c.their_request(ack=False)
    ck([k for k, _ in o] == sorted({k for k, _ in o}, key=[k for k, _ in o].index), "RFC 1661 6", "no option twice in our peer's request")
    d = dict(o)
    ck(d.get(MRU) == struct.pack("!H", 1400), "RFC 1661 6.1", "the configured MRU is asked for")
    ck(d.get(AUTH) == A_PAP, "RFC 1661 6.2", "PAP is asked for, with no data behind it")
    ck(len(d.get(MAGIC, b"")) == 4 and any(d[MAGIC]), "RFC 1661 6.4", "a magic number that is not zero")
    ck(d.get(PFC) == b"" and d.get(ACFC) == b"", "RFC 1661 6.5 6.6", "PFC and ACFC where configured")
    ck(not f["acfc"] and not f["pfc"], "RFC 1661 6.5", "LCP packets are not compressed")
    g = c.get(LCP, REQ, seconds=4)
    ck(g and g["whole"] == f["whole"], "RFC 1661 5.1", "the retransmission is the same packet")
    # answers that do not fit
    c.packet(LCP, ACK, (f["id"] + 7) % 256, f["data"])
    c.packet(LCP, ACK, f["id"], f["data"][:-1])
    c.packet(LCP, ACK, f["id"], enc([(MRU, b"\x01\x01")]))
    c.packet(LCP, REJ, f["id"], enc([(MRU, b"\x01\x01")]))
    c.packet(LCP, REJ, f["id"], enc([(AUTH, A_PAP), (MRU, d[MRU])]))
    g = c.get(LCP, REQ, seconds=4)
    ck(g and g["whole"] == f["whole"], "RFC 1661 5.2 5.4",
       "an Ack with a wrong id, a short one, one of other options, Rejects of what was not asked or out of order are discarded")
    # Nak and Reject
    c.packet(LCP, NAK, f["id"], enc([(MRU, struct.pack("!H", 1200))]))
    g, o = c.their_request(ack=False)
    ck(g["id"] != f["id"], "RFC 1661 5.1", "a changed request has a new id")
    ck(dict(o).get(MRU) == struct.pack("!H", 1200), "RFC 1661 5.3", "a smaller MRU in a Nak is taken")
    c.packet(LCP, NAK, f["id"], enc([(MRU, struct.pack("!H", 1000))]))
    ck(c.none(LCP, REQ), "RFC 1661 5.3", "a late Nak with the old id is discarded")
    c.packet(LCP, REJ, g["id"], enc([(PFC, b""), (ACFC, b"")]))
    h, o = c.their_request(ack=False)
    ck(not {PFC, ACFC} & set(dict(o)), "RFC 1661 5.4", "rejected options are left out")
    c.packet(LCP, REJ, h["id"], enc([(MAGIC, dict(o)[MAGIC])]))
    h, o = c.their_request(ack=False)
    ck(MAGIC not in dict(o), "RFC 1661 6.4", "a rejected magic number is left out")
    c.packet(LCP, NAK, h["id"], enc([(MAGIC, b"\1\2\3\4")]))
    h, o = c.their_request()
    ck(AUTH in dict(o), "RFC 1661 6.2", "authentication is still asked for")
    ck(c.ask(LCP, [])["code"] == ACK, "RFC 1661 5.1", "an empty request is acknowledged")
    c.packet(LCP, ECHO, 9, bytes(4))
    f = c.want(LCP, REPLY, ident=9)
    ck(f["data"][:4] == bytes(4), "RFC 1661 5.8", "without Magic-Number the field of an Echo-Reply is zero")


def s_lcp_options(w, ck):
    c = w.tunnel("free").call()
    c.their_request(ack=False)

    def one(option, code, answer=None):
        f = c.ask(LCP, [option])
        return f["code"] == code and f["data"] == enc([option if answer is None else answer])
    ck(one((MRU, b"\x05\xdc"), ACK), "RFC 1661 6.1", "MRU 1500 acknowledged, same data")
    ck(one((MRU, b"\x02\x40"), ACK), "RFC 1661 6.1", "MRU 576 acknowledged")
    ck(one((MRU, b"\x23\x28"), ACK), "RFC 1661 6.1", "MRU 9000 acknowledged")
    f = c.ask(LCP, [(MRU, b"\0\x0a")])
    ck(f["code"] == NAK and len(dict(dec(f["data"])).get(MRU, b"")) == 2 and dict(dec(f["data"]))[MRU] > b"\0\x0a", "RFC 1661 6.1",
       "an unusable MRU of 10 naked with a larger one")
    ck(one((ACCM, b"\0\x0a\0\0"), ACK), "RFC 1662 7.1", "ACCM acknowledged")
    ck(one((PFC, b""), ACK) and one((ACFC, b""), ACK), "RFC 1661 6.5 6.6", "PFC and ACFC acknowledged")
    f = c.ask(LCP, [(MAGIC, bytes(4))])
    g = dict(dec(f["data"]))
    ck(f["code"] == NAK and len(g) == 1 and any(g.get(MAGIC, b"\0")), "RFC 1661 6.4", "a magic number of zero is always naked")
    ck(one((AUTH, A_PAP), REJ), "RFC 1661 6.2", "we prove nothing: the peer's Authentication-Protocol is rejected")
    ck(one((4, b"\xc0\x25\0\0\0\1"), REJ), "RFC 1661 6.3", "Quality-Protocol rejected")
    ck(one((13, b"\0"), REJ), "RFC 1570 2.3", "Callback rejected")
    ck(one((17, b"\x06\x40"), REJ), "RFC 1990 5.1.1", "Multilink MRRU rejected")
    ck(one((0xEE, b"xyz"), REJ), "RFC 1661 5.4", "an unknown option is rejected whole")
    f = c.ask(LCP, [(0xEE, b"xyz"), (MRU, b"\x05\xdc"), (0x50, b""), (MAGIC, bytes(4)), (13, b"\1")])
    ck(f["code"] == REJ and f["data"] == enc([(0xEE, b"xyz"), (0x50, b""), (13, b"\1")]), "RFC 1661 5.4",
       "several: only those, unchanged, in order, and Reject before Nak")
    f = c.ask(LCP, [(MAGIC, bytes(4)), (MRU, b"\x05\xdc")])
    ck(f["code"] == NAK and [k for k, _ in dec(f["data"])] == [MAGIC], "RFC 1661 5.3", "a Nak holds only what was not acceptable")
    f = c.ask(LCP, [(MRU, b"\x05\xdc\0")])
    ck(f["code"] == NAK and dict(dec(f["data"])).get(MRU), "RFC 1661 6", "a known option of wrong length is naked")
    for bad, what in ((b"\x01\x00", "zero"), (b"\x01\x01", "one"), (b"\x01\x09\x05", "beyond the packet")):
        c.id += 1
        c.packet(LCP, REQ, c.id, bad)
        got = c.get(LCP, (ACK, NAK, REJ), ident=c.id, seconds=QUIET)
        ck(got is None or got["code"] in (NAK, REJ), "RFC 1661 6", f"an option length of {what} is never acknowledged")
    c.send(LCP, struct.pack("!BBH", REQ, 99, 40) + b"\x01\x04\x05\xdc")
    c.send(LCP, struct.pack("!BBH", REQ, 98, 3))
    ck(c.none(LCP, (ACK, NAK, REJ)), "RFC 1661 5", "a Length beyond the frame, or below 4, discards the packet")
    c.send(LCP, struct.pack("!BBH", REQ, 97, 8) + b"\x01\x04\x05\xdc" + b"padding")
    f = c.get(LCP, ACK, ident=97)
    ck(f and f["data"] == b"\x01\x04\x05\xdc", "RFC 1661 5", "octets behind Length are padding")


def s_lcp_max_failure(w, ck):
    c = w.tunnel("std").call()
    c.their_request(ack=False)
    codes = [c.ask(LCP, [(MAGIC, bytes(4)), (MRU, b"\0\5")])["code"] for _ in range(5)]
    ck(codes[:3] == [NAK] * 3, "RFC 1661 4.6", "naked so often as Max-Failure says")
    ck(codes[3:] == [REJ] * 2, "RFC 1661 4.6", "then rejected")


def s_lcp_codes(w, ck):
    t = w.tunnel("std")
    c = t.call()
    c.packet(LCP, ECHO, 3, b"\0\0\0\0")
    c.send(0x8029, b"\x01\x01\x00\x04")
    c.packet(IPCP, REQ, 1, enc([(3, bytes(4))]))
    c.packet(LCP, DISCARD, 4, b"\0\0\0\0")
    f = c.want(LCP, REQ)
    ck(c.none(LCP, REPLY), "RFC 1661 5.8", "an Echo-Request before Opened is discarded")
    ck(c.none(LCP, PROTREJ, seconds=0.02), "RFC 1661 5.7", "an unknown protocol before Opened is discarded")
    ck(c.none(IPCP, seconds=0.02), "RFC 1661 3.5", "IPCP before its phase is discarded")
    c.packet(LCP, 0x77, 55, b"what?")
    g = c.want(LCP, CODEREJ)
    ck(g["data"] == struct.pack("!BBH", 0x77, 55, 9) + b"what?", "RFC 1661 5.6", "an unknown code is rejected, with the packet in it")
    c.packet(LCP, 0x77, 56)
    h = c.want(LCP, CODEREJ)
    ck(h["id"] != g["id"], "RFC 1661 5.6", "each Code-Reject has its own id")
    c.packet(LCP, ACK, f["id"], f["data"])
    c.ask(LCP, [(MAGIC, struct.pack("!I", c.magic)), (MRU, struct.pack("!H", 600))])
    c.send(IPCP, struct.pack("!BBH", REQ, 1, 4))
    ck(c.none(IPCP) and c.none(LCP, PROTREJ, seconds=0.02), "RFC 1661 3.5", "IPCP in the authentication phase is discarded")
    c.pap("alice", "secret")
    magic = dict(dec(f["data"]))[MAGIC]
    c.packet(LCP, ECHO, 77, struct.pack("!I", c.magic) + b"hello")
    g = c.want(LCP, REPLY, ident=77)
    ck(g["data"] == magic + b"hello", "RFC 1661 5.8", "Echo-Reply: same id and data, the sender's own magic number")
    c.send(0x8029, b"\x01\x21\x00\x04")
    g = c.want(LCP, PROTREJ)
    ck(g["data"] == b"\x80\x29\x01\x21\x00\x04", "RFC 1661 5.7", "an unknown protocol is rejected, with protocol and information")
    c.send(0x80FD, b"\x01\x22\x00\x04")
    ck((c.get(LCP, PROTREJ) or {}).get("data", b"")[:2] == b"\x80\xfd", "RFC 1661 5.7", "CCP is rejected as a protocol")
    c.send(0x4021, bytes(1400))
    g = c.want(LCP, PROTREJ)
    ck(len(g["info"]) <= 600 and g["data"][:2] == b"\x40\x21", "RFC 1661 5.7", "a Protocol-Reject is cut to the peer's MRU")
    c.packet(LCP, DISCARD, 5, struct.pack("!I", c.magic) + b"x" * 30)
    c.packet(LCP, 12, 6, struct.pack("!I", c.magic) + b"identification")
    c.packet(LCP, REPLY, 123, struct.pack("!I", c.magic))
    ck(c.none(LCP, (CODEREJ, REPLY)), "RFC 1661 5.9, RFC 1570 1.1", "Discard-Request, Identification, an unasked Echo-Reply: no answer")
    c.packet(LCP, CODEREJ, 7, struct.pack("!BBH", 12, 6, 4))
    ck(c.alive(), "RFC 1661 4.3 RXJ+", "a Code-Reject of an extension is survived")
    c.packet(LCP, TACK, 44)
    g = c.get(LCP, REQ, seconds=3)
    ck(g, "RFC 1661 4.1 RTA in Opened", "a Terminate-Ack out of nowhere: down, and a new Configure-Request")


def s_lcp_terminate(w, ck):
    t = w.tunnel("std")
    c = t.call()
    c.up()
    c.packet(LCP, TREQ, 66, b"bye")
    f = c.get(LCP, TACK)
    ck(f and f["id"] == 66, "RFC 1661 5.5", "Terminate-Request is answered with Terminate-Ack of the same id")
    result, cause, a = c.cdn(12)
    ck(cause[0] == 3 and cause[2] == 1, "RFC 3145 2.1", f"CDN with cause 3, direction 1 (normal, by the peer): {cause}")
    ck(result == 3 or result == 1, "RFC 2661 4.4.2", f"CDN result code {result}")
    c = t.call()
    c.up()
    w.node.ctl("session", "clear", c.name)
    f = c.get(LCP, TREQ)
    ck(f, "RFC 1661 4.1", "an operator's end says Terminate-Request first")
    if f:
        c.packet(LCP, TACK, f["id"])
    result, cause, a = c.cdn()
    ck(cause[0] in (1, 3) and cause[2] in (0, 2), "RFC 3145 2.1", f"CDN with an administrative cause: {cause}")
    # nobody answers our Terminate-Request
    c = w.tunnel("quick").call()
    c.up(options=[])
    w.node.ctl("session", "clear", c.name)
    n = 0
    while c.get(LCP, TREQ, seconds=0.6):
        n += 1
    ck(1 <= n <= 2, "RFC 1661 4.6 Max-Terminate", f"{n} Terminate-Requests, 2 at most")
    ck(c.cdn(), "RFC 1661 4.6", "and then the call ends without an answer")


def s_lcp_again(w, ck):
    c = w.tunnel("std").call()
    c.up()
    first = c.ip
    c.forget()
    c.id += 1
    c.magic += 2
    c.packet(LCP, REQ, c.id, enc([(MAGIC, struct.pack("!I", c.magic))]))
    f = c.get(LCP, REQ)
    ck(f, "RFC 1661 4.1 RCR+ in Opened", "a new Configure-Request takes the link down: we are asked anew")
    if not f:
        return
    ck(c.get(LCP, ACK, ident=c.id), "RFC 1661 4.1", "... and it is acknowledged")

    def passes():
        m = w.mark()
        c.send(IP4, ipv4(first, a4(DNS1), udp(first, a4(DNS1), m)))
        return w.core.marked(m, 0.3)
    # the workers hear of it at the same time as the peer does: a packet sent that very moment may still pass
    ck(w.until(lambda: not passes(), 1), "RFC 1661 3.2", "no packets while LCP is being renegotiated")
    ck(not passes(), "RFC 1661 3.2", "... nor after that")
    c.packet(LCP, ACK, f["id"], f["data"])
    ck(c.none(IPCP, REQ), "RFC 1661 3.2", "no network protocol before authentication is repeated")
    ck(c.pap("alice", "secret")["code"] == 2, "RFC 1661 3.5", "authenticated anew")
    ck(a4(c.ipcp()) == first, "product", "the same address again")
    m = w.mark()
    ck(w.until(lambda: (c.send(IP4, ipv4(c.ip, a4(DNS1), udp(c.ip, a4(DNS1), m))), w.core.marked(m, 0.3))[1]), "RFC 1661 3.2",
       "packets pass again")
    c.forget()
    # the peer may repeat a request whose Ack was lost; it is answered, and the link stays
    last = enc([(3, c.ip)])
    c.packet(IPCP, REQ, c.id, last)
    ck(c.get(IPCP, ACK, ident=c.id), "docs/protocols/rfc1661.md", "a copy of the request acknowledged last gets its Ack again")
    # another user after renegotiation
    c.forget()
    c.id += 1
    c.packet(LCP, REQ, c.id, enc([(MAGIC, b"\7\7\7\7")]))
    f = c.want(LCP, REQ)
    c.packet(LCP, ACK, f["id"], f["data"])
    c.want(LCP, ACK, ident=c.id)
    ck(c.pap("alice", "wrong")["code"] == 3, "RFC 1334 2.2.2", "a wrong password after renegotiation is refused")
    ck(c.cdn(12)[1][0] == 16, "RFC 3145 2.1", "... and ends the call, cause 16")


def s_lcp_loop(w, ck):
    c = w.tunnel("quick").call()
    n = 0

    def mirror():
        nonlocal n
        for f in [f for f in c.frames if f["proto"] == LCP]:
            c.frames.remove(f)
            if n < 200:
                c.send(LCP, f["info"])
                n += 1
        return c.ended()
    ck(c.t.until(20, mirror), "RFC 1661 6.4", "a line that sends all back is given up")
    cause = c.cdn()[1]
    ck(cause[0] == 7, "RFC 3145 2.1", f"cause 7, loopback: {cause}")
    c = w.tunnel("std").call()
    f, o = c.their_request(ack=False)
    c.packet(LCP, REQ, 1, enc([(MAGIC, dict(o)[MAGIC])]))
    g = c.want(LCP, (ACK, NAK, REJ), ident=1)
    ck(g["code"] == NAK and dict(dec(g["data"]))[MAGIC] != dict(o)[MAGIC], "RFC 1661 6.4", "our own number: naked with another one")


def s_lcp_silence(w, ck):
    t = w.tunnel("quick")
    c = t.call()
    result, cause, a = c.cdn()
    n = sum(1 for f in c.frames if f["proto"] == LCP and f.get("code") == REQ)
    ck(n == 4, "RFC 1661 4.6 Max-Configure", f"Configure-Requests to nobody: {n}, configured 4")
    ck(len({f["whole"] for f in c.frames if f["proto"] == LCP}) == 1, "RFC 1661 5.1", "all of them the same")
    ck(cause[0] == 6, "RFC 3145 2.1", f"cause 6, no LCP packet: {cause}")
    c = t.call()
    for _ in range(3):
        f = c.want(LCP, REQ)
        c.packet(LCP, NAK, f["id"] ^ 1, b"")
    result, cause, a = c.cdn()
    ck(cause[0] == 5, "RFC 3145 2.1", f"cause 5, LCP heard but not opened: {cause}")
    # LCP opens, then nobody answers echoes
    c = t.call()
    c.up(options=[])
    f = c.get(LCP, ECHO)
    ck(f and len(f["data"]) >= 4 and f["data"][:4] == c.theirs[MAGIC], "RFC 1661 5.8", "Echo-Requests carry the sender's magic number")
    c.packet(LCP, REPLY, f["id"], bytes(4))
    ck(c.get(LCP, ECHO), "RFC 1661 5.8", "an answered echo is followed by the next one")
    result, cause, a = c.cdn()
    ck(cause[0] == 8, "RFC 3145 2.1", f"cause 8, echo timeout: {cause}")
    # LCP opens, authentication is not answered; IPCP is not answered
    c = w.tunnel("quick").call()
    c.lcp([])
    c.pap("alice", "secret")
    while not c.ended():
        f = c.get(LCP, ECHO, seconds=0.05)
        if f:
            c.packet(LCP, REPLY, f["id"], bytes(4))
        if len(c.frames) > 300:
            break
    n = len({f["whole"] for f in c.frames if f["proto"] == IPCP})
    ck(c.ended() and n == 1, "RFC 1661 4.6", f"IPCP to nobody ends the call; {n} different requests")
    cause = c.cdn()[1]
    ck(cause[0] in (17, 18, 19), "RFC 3145 2.1", f"a cause of the network phase: {cause}")


def s_lcp_sli(w, ck):
    c = w.tunnel("free").call()
    c.lcp([(ACCM, b"\0\x0a\0\0"), (MAGIC, struct.pack("!I", c.magic))])
    a = c.t.await_control(16, c.ctl)
    v = a.get(35, b"")
    ck(len(v) == 10 and v[2:6] == b"\0\x0a\0\0", "RFC 2661 4.4.5, 6.14", f"SLI: Send ACCM is what the peer asked for: {v.hex()}")
    ck(v[6:10] == b"\xff\xff\xff\xff" or ACCM in c.theirs and v[6:10] == c.theirs[ACCM], "RFC 2661 6.14",
       "Receive ACCM is what was asked of the peer, the default without the option")


# --- stories: authentication --------------------------------------------------------------------------------

def s_pap(w, ck):
    t = w.tunnel("std")
    c = t.call()
    c.lcp()
    c.packet(PAP, 1, 20, pstr("alice") + b"\x30sec")
    c.packet(PAP, 1, 21, b"\xffalice")
    c.packet(PAP, 1, 22, b"")
    ck(c.none(PAP), "RFC 1334 2.2.1", "malformed requests are discarded")
    c.packet(CHAP, 2, 1, bytes([16]) + bytes(16) + b"alice")
    ck(c.none(CHAP), "RFC 1661 3.5", "CHAP where PAP was agreed is not answered")
    f = c.pap("alice", "secret")
    ck(f["code"] == 2 and len(f["data"]) >= 1 and f["data"][0] == len(f["data"]) - 1, "RFC 1334 2.2.2", "Ack, same id, Msg-Length right")
    ck(c.want(IPCP, REQ), "RFC 1661 3.6", "then the network phase")
    g = c.pap("alice", "secret")
    ck(g["code"] == 2, "RFC 1334 2.2.1", "a request after the Ack (which may be lost) gets the same answer")
    g = c.pap("alice", "wrong")
    ck(g["code"] == 2 and c.alive(), "RFC 1334 2.2.1", "... whatever it holds")
    for user, password, what in (("alice", "wrong", "wrong password"), ("nobody", "secret", "unknown user"), ("mallory", "-", "a rejected user"),
                                 ("alice", "", "empty password"), ("", "", "empty name"), (b"\xff\0\x80%n", b"\0" * 200, "octets")):
        c = t.call()
        c.lcp()
        f = c.pap(user, password)
        ck(f["code"] == 3 and f["data"][0] == len(f["data"]) - 1, "RFC 1334 2.2.2", f"{what}: Nak")
        if user == "alice" and password:
            h = c.pap(user, "secret", seconds=0.5) if c.get(LCP, TREQ, seconds=0.5) is None else None
            ck(h is None or h["code"] == 3, "RFC 1334 2.2.1", "after a Nak the same call does not get in")
            cause = c.cdn(12)[1]
            ck(cause == (16, PAP, 1), "RFC 3145 2.1", f"cause 16, of PAP, direction 1: {cause}")


def s_chap(w, ck):
    t = w.tunnel("choice")
    c = t.call()
    o = c.lcp()
    ck(o[AUTH] == A_MD5, "RFC 1994 3", "the first of the configured protocols is asked for")
    c1 = c.want(CHAP, 1)
    n = c1["data"][0]
    ck(n >= 16 and len(c1["data"]) > 1 + n, "RFC 1994 4.1", f"a challenge of {n} octets, and a name: {c1['data'][1 + n:]}")
    c2 = c.want(CHAP, 1, seconds=4)
    ck(True if c2["whole"] == c1["whole"] else c2["id"] != c1["id"], "RFC 1994 4.1, docs", "sent again while there is no Response")
    c.frames.append(c2)
    c.packet(CHAP, 2, c2["id"] + 1 & 255, bytes([16]) + hashlib.md5(bytes([c2["id"] + 1 & 255]) + b"secret" + c2["data"][1:1 + n]).digest() + b"alice")
    ck(c.none(CHAP, (3, 4)), "RFC 1994 4.1", "a Response with another id is discarded")
    c.packet(CHAP, 2, c2["id"], bytes([17]) + bytes(17) + b"alice")
    c.packet(CHAP, 2, c2["id"], bytes([200]) + bytes(3))
    ck(c.none(CHAP, (3, 4)), "RFC 1994 4.1", "malformed Responses are discarded")
    c.chap("alice", "secret")
    ck(c.get(CHAP, 3, ident=c2["id"]), "RFC 1994 4.2", "Success with the Response's id")
    c.frames.append(c2)
    c.chap("alice", "wrong")
    ck(c.get(CHAP, 3, ident=c2["id"]), "RFC 1994 4.1", "a copy after Success gets the same answer")
    c.ipcp()
    c = t.call()
    c.lcp()
    f = c.chap("alice", "wrong")
    ck(c.get(CHAP, 4, ident=f["id"]), "RFC 1994 4.2", "a wrong value: Failure")
    cause = c.cdn(12)[1]
    ck(cause == (16, CHAP, 1), "RFC 3145 2.1", f"cause 16, of CHAP, direction 1: {cause}")
    d1, d2 = t.call(), t.call()
    d1.lcp(), d2.lcp()
    ck(d1.want(CHAP, 1)["data"][1:17] != d2.want(CHAP, 1)["data"][1:17], "RFC 1994 2.3", "challenges are unique")
    c = w.tunnel("again").call()
    c.lcp()
    a = c.chap("alice", "secret")
    c.want(CHAP, 3)
    c.ipcp()
    b = c.get(CHAP, 1)
    ck(b and b["id"] != a["id"] and b["data"] != a["data"], "RFC 1994 2", "challenged again while open: new id, new value")
    if b:
        c.frames.append(b)
        c.chap("alice", "secret")
        ck(c.get(CHAP, 3, ident=b["id"]) and c.alive(), "RFC 1994 2", "... and answered, the link stays")
        c.chap("alice", "wrong")
        ck(c.get(CHAP, 4), "RFC 1994 2", "a wrong value then: Failure")
        ck(c.cdn(12)[1][0] == 16, "RFC 3145 2.1", "... and the call ends")


def s_mschap(w, ck):
    t = w.tunnel("ms")

    def respond(c, user, password):
        f = c.want(CHAP, 1)
        chal, peer = f["data"][1:17], os.urandom(16)
        nt = ms_nt_response(chal, peer, user, password)
        c.packet(CHAP, 2, f["id"], bytes([49]) + peer + bytes(8) + nt + b"\0" + user)
        return f, chal, peer, nt
    c = t.call()
    ck(c.lcp()[AUTH] == A_MS2, "RFC 2759 1", "MS-CHAPv2 is CHAP with algorithm 0x81")
    f, chal, peer, nt = respond(c, b"alice", b"secret")
    ck(f["data"][0] == 16, "RFC 2759 3", "the challenge has 16 octets")
    s = c.want(CHAP, (3, 4), ident=f["id"])
    ck(s["code"] == 3, "RFC 2759 4", "a right NT-Response is accepted")
    ck(s["data"][:42] == ms_auth_response(b"secret", nt, peer, chal, b"alice"), "RFC 2759 5", "the authenticator response verifies")
    c.ipcp()
    c = t.call()
    c.lcp()
    f, chal, peer, nt = respond(c, b"alice", b"wrong")
    s = c.want(CHAP, (3, 4), ident=f["id"])
    ck(s["code"] == 4 and s["data"].startswith(b"E=691 R=0 C="), "RFC 2759 6", "a wrong one: E=691 R=0")
    part = s["data"].split(b" ")
    ck(len(part) > 3 and len(part[2]) == 34 and part[3] == b"V=3", "RFC 2759 6", "with a challenge of 32 hex digits and V=3")
    c = t.call()
    c.lcp()
    f = c.want(CHAP, 1)
    c.packet(CHAP, 2, f["id"], bytes([16]) + bytes(16) + b"alice")
    ck(c.none(CHAP, 3), "RFC 2759 4", "an MD5-sized Response is not taken")


def s_auth_choice(w, ck):
    t = w.tunnel("choice")
    c = t.call()
    o = c.lcp(nak_auth=A_PAP)
    ck(o[AUTH] == A_PAP, "RFC 1661 6.2", "a Nak that names PAP, which is configured: PAP")
    ck(c.pap("alice", "secret")["code"] == 2, "RFC 1334", "... and it works")
    c = t.call()
    f, o = c.their_request(ack=False)
    c.packet(LCP, NAK, f["id"], enc([(AUTH, A_MS2)]))
    g, o = c.their_request(ack=False)
    ck(dict(o)[AUTH] == A_PAP, "RFC 1661 6.2", "a Nak that names what is not configured: the next of ours")
    c.packet(LCP, NAK, g["id"], enc([(AUTH, A_MS2)]))
    ck(c.get(LCP, TREQ), "RFC 1661 6.2", "and when ours are used up, Terminate-Request")
    cause = c.cdn(12)[1]
    ck(cause[0] == 15 and cause[2] == 1, "RFC 3145 2.1", f"cause 15, direction 1: {cause}")
    c = t.call()
    f, o = c.their_request(ack=False)
    c.packet(LCP, REJ, f["id"], enc([(AUTH, A_MD5)]))
    cause = c.cdn(12)[1]
    ck(cause[0] == 15, "RFC 1661 6.2, RFC 3145", f"rejected authentication ends the call, cause 15: {cause}")


def proxy(options_sent, options_rcvd, kind, name=b"", challenge=b"", ident=0, response=b""):
    return avp(26, enc(options_rcvd), False) + avp(27, enc(options_sent), False) + avp(28, enc(options_rcvd), False) + \
        avp(29, kind, False) + (avp(30, name, False) if name else b"") + (avp(31, challenge, False) if challenge else b"") + \
        avp(32, ident, False) + (avp(33, response, False) if response else b"")


def s_proxy(w, ck):
    t = w.tunnel("choice")
    sent = [(MRU, b"\x05\xd4"), (AUTH, A_MD5), (MAGIC, b"\x11\x22\x33\x44")]
    rcvd = [(MRU, b"\x05\x78"), (MAGIC, b"\x55\x66\x77\x88")]
    chal = os.urandom(16)
    good = hashlib.md5(bytes([9]) + b"secret" + chal).digest()
    args = (2, b"alice", chal, 9, good)
    c = t.call(extra=proxy(sent, rcvd, *args))
    f = c.get(CHAP, 3)
    ck(f and f["id"] == 9, "RFC 2661 4.4.5", "proxied CHAP is judged, and the peer told with the Response's id")
    ck(not [x for x in c.frames if x["proto"] == LCP and x["code"] == REQ], "RFC 2661 4.4.5", "proxied LCP is used: no Configure-Request")
    c.ipcp()
    c.packet(LCP, ECHO, 1, b"\x55\x66\x77\x88")
    f = c.get(LCP, REPLY)
    ck(f and f["data"] == b"\x11\x22\x33\x44", "RFC 2661 4.4.5", "the LAC's magic number is ours now")
    ck(c.show()["subscriber"].get("mtu", 0) == 1400, "RFC 2661 4.4.5", "the peer's MRU as the LAC was told")
    c = t.call(extra=proxy(sent, rcvd, 2, b"alice", chal, 9, bytes(16)))
    ck(c.get(CHAP, 4), "RFC 2661 4.4.5", "a wrong proxied Response: Failure")
    ck(c.cdn(12)[1][0] == 16, "RFC 3145 2.1", "... and the call ends with cause 16")
    c = t.call(extra=proxy([(AUTH, A_PAP)], rcvd, 3, b"alice", b"", 5, b"secret"))
    f = c.get(PAP, 2)
    ck(f and f["id"] == 5, "RFC 2661 4.4.5", "proxied PAP")
    c = t.call(extra=proxy(sent, rcvd, 4))
    ck(c.get(CHAP, 1), "RFC 2661 4.4.5", "proxied LCP alone (authentication none): the peer is challenged")
    c = t.call(extra=proxy(sent, rcvd + [(0xEE, b"?")], *args))
    ck(c.get(LCP, REQ) and c.none(CHAP, 3), "RFC 2661 4.4.5", "proxied LCP that we would not have agreed to: anew")
    c = t.call(extra=proxy([(MAGIC, b"\1\2\3\4")], rcvd, 4))
    ck(c.get(LCP, REQ), "RFC 2661 4.4.5", "proxied LCP without authentication, which we want: anew")
    c = t.call(extra=avp(26, b"\1\0\0", False) + avp(27, b"\1\xff", False) + avp(28, b"\5", False) + avp(29, 2, False) + avp(33, b"", False))
    ck(c.get(LCP, REQ), "RFC 2661 4.4.5", "malformed proxied LCP: anew")
    c = w.tunnel("anew").call(extra=proxy(sent, rcvd, *args))
    ck(c.get(LCP, REQ) and c.none(CHAP, 3), "docs/operations/configure.md", "policy renegotiate: anew")
    c.frames.clear()
    c.lcp()
    c.chap("alice", "secret")
    ck(c.get(CHAP, 3), "docs/operations/configure.md", "... with an authentication of its own")


def s_proxy_lies(w, ck):
    """A LAC whose proxy AVPs contradict each other, or say what cannot be: nobody gets in by it, nobody is shut out for good."""
    t = w.tunnel("choice")
    md5 = [(MRU, b"\x05\xd4"), (AUTH, A_MD5), (MAGIC, b"\x11\x22\x33\x44")]
    pap = [(AUTH, A_PAP), (MAGIC, b"\x11\x22\x33\x44")]
    rcvd = [(MRU, b"\x05\x78"), (MAGIC, b"\x55\x66\x77\x88")]
    chal = os.urandom(16)
    good = hashlib.md5(bytes([9]) + b"secret" + chal).digest()

    def asked_anew(what, extra):
        c = t.call(extra=extra)
        f = c.until_any((LCP, REQ), (CHAP, 1), (CHAP, 4), (PAP, 3))
        ck(f is not None or c.ended(), "RFC 2661 4.4.5", f"{what}: the peer is asked, or refused")
        ck(not c.show().get("subscriber", {}).get("forwarding"), "RFC 2661 4.4.5", f"{what}: nobody is let in")
        ck(c.none(IPCP, seconds=0.05), "RFC 1661 3.5", f"{what}: no network protocol")
        c.hang_up()

    for what, sent, args in (
            ("a PAP password where LCP had agreed on CHAP, a wrong one", md5, (3, b"alice", b"", 5, b"wrong")),
            ("no Response", md5, (2, b"alice", chal, 9, b"")),
            ("no Challenge", md5, (2, b"alice", b"", 9, good)),
            ("no name", md5, (2, b"", chal, 9, good)),
            ("a Response of another id", md5, (2, b"alice", chal, 10, good)),
            ("an id of 65535", md5, (2, b"alice", chal, 65535, good)),
            ("a Response of 200 octets", md5, (2, b"alice", chal, 9, good * 12 + b"12345678")),
            ("a Challenge of 900 octets", md5, (2, b"alice", chal * 56, 9, good)),
            ("a name of 1000 octets", md5, (2, b"a" * 1000, chal, 9, good)),
            ("a textual exchange", md5, (1, b"alice", b"", 9, b"secret")),
            ("MS-CHAPv1, which nobody speaks", md5, (5, b"alice", chal[:8], 9, bytes(49))),
            ("a type that does not exist", md5, (99, b"alice", chal, 9, good))):
        asked_anew(what, proxy(sent, rcvd, *args))
    for what, one, two in (("an MRU of 0 as received", md5, [(MRU, b"\0\0")]), ("an MRU of three octets", md5, [(MRU, b"\x05\x78\0")]),
                           ("the same magic number at both ends", md5, [(MAGIC, b"\x11\x22\x33\x44")]),
                           ("nothing sent", [], rcvd), ("1000 octets of options", md5, [(0xEE, b"x" * 250)] * 4)):
        asked_anew(what, proxy(one, two, 2, b"alice", chal, 9, bytes(16)))
    c = t.call(extra=proxy(pap, rcvd, 2, b"alice", chal, 9, good))
    ck(c.none(CHAP) and not c.show().get("subscriber", {}).get("forwarding"), "RFC 2661 4.4.5",
       "a right CHAP Response where LCP had agreed on PAP lets nobody in")
    ck(c.pap("alice", "secret")["code"] == 2, "RFC 1334 2.2.1", "... the peer's own PAP does")
    c = t.call(extra=proxy(md5, rcvd, 2, b"alice", chal, 9, good)[:-1] + b"\0" + avp(26, enc([(MRU, b"\x02\x40")]), False))
    ck(c.until_any((LCP, REQ), (CHAP, 3), (CHAP, 4), (CHAP, 1)) is not None or c.ended(), "RFC 2661 4.4.5", "Initial Received LCP twice: an answer")
    c = t.call(extra=avp(26, enc([(MRU, b"\x02\x40")]), False) + avp(27, enc(md5), False) + avp(28, enc(rcvd), False) + avp(29, 2, False) +
               avp(30, b"alice", False) + avp(31, chal, False) + avp(32, 9, False) + avp(33, good, False))
    ck(c.get(CHAP, 3), "RFC 2661 4.4.5", "of the requests that the LAC had received, the last counts")
    c.ipcp()
    ck(c.show()["subscriber"].get("mtu") == 1400, "RFC 2661 4.4.5", "... its MRU, too")
    c = t.call(extra=avp(29, 2, False) + avp(30, b"alice", False) + avp(31, chal, False) + avp(32, 9, False) + avp(33, good, False))
    ck(c.get(LCP, REQ) and c.none(CHAP, 3, seconds=0.1), "RFC 2661 4.4.5", "proxied authentication without proxied LCP: LCP first, then asked")
    c.frames.clear()
    c = t.call()
    c.lcp()
    c.chap("alice", "secret")
    ck(c.get(CHAP, 3), "robustness", "and the next one is served")


# --- stories: network protocols -------------------------------------------------------------------------------

def s_ipcp(w, ck):
    c = w.tunnel("free").call()
    c.lcp()
    f, o = c.their_request(IPCP)
    ck(dict(o) == {3: a4(LOCAL4)}, "RFC 1332 3.3", "the node tells its own address")

    def one(option, code, answer=None):
        g = c.ask(IPCP, [option])
        return g["code"] == code and (answer is None or g["data"] == enc([answer])), g
    ok, g = one((3, bytes(4)), NAK)
    ip = dict(dec(g["data"])).get(3, b"")
    ck(ok and ip[:2] == bytes([100, 64]), "RFC 1332 3.3", "0.0.0.0 is naked with an address of the pool")
    ck(one((3, a4("192.0.2.1")), NAK, (3, ip))[0], "RFC 1332 3.3", "another address is naked with the same")
    ck(one((1, a4("192.0.2.1") * 2), REJ, (1, a4("192.0.2.1") * 2))[0], "RFC 1332 3.1", "IP-Addresses, deprecated, is rejected")
    ck(one((2, b"\x00\x2d\x0f\x01"), REJ)[0], "RFC 1332 3.2", "Van Jacobson compression is rejected")
    ck(one((2, b"\x00\x61" + bytes(8)), REJ)[0], "RFC 2507", "IP header compression is rejected")
    ck(one((4, a4("192.0.2.1")), REJ)[0], "RFC 2290", "Mobile-IPv4 is rejected")
    g = c.ask(IPCP, [(3, ip), (129, bytes(4))])
    ck(g["code"] == NAK and g["data"] == enc([(129, a4(DNS1))]), "RFC 1877 1.1", f"primary DNS is naked with ours: {g['data'].hex()}")
    g = c.ask(IPCP, [(3, ip), (129, bytes(4)), (131, bytes(4)), (130, bytes(4))])
    ck(g["code"] == REJ and g["data"] == enc([(130, bytes(4))]), "RFC 1877 1.2",
       f"NBNS, which is not configured, is rejected, and that first: {g['code']} {g['data'].hex()}")
    g = c.ask(IPCP, [(3, ip), (129, bytes(4)), (131, bytes(4))])
    ck(g["code"] == NAK and g["data"] == enc([(129, a4(DNS1)), (131, a4(DNS2))]), "RFC 1877", "both DNS in one Nak, in order")
    g = c.ask(IPCP, [(3, ip), (129, a4(DNS1)), (131, a4(DNS2))])
    ck(g["code"] == ACK and g["data"] == enc([(3, ip), (129, a4(DNS1)), (131, a4(DNS2))]), "RFC 1661 5.2", "what was suggested is acknowledged")
    c.packet(IPCP, 0x55, 3, b"")
    ck(c.get(IPCP, CODEREJ), "RFC 1332 3", "an unknown code is rejected within IPCP")
    c.packet(IPCP, ECHO, 4, bytes(4))
    ck(c.get(IPCP, CODEREJ), "RFC 1332 3", "Echo-Request is no code of IPCP")
    # again, and gone
    c.forget()
    c.id += 1
    c.packet(IPCP, REQ, c.id, enc([(3, bytes(4))]))
    ck(c.get(IPCP, REQ) and c.get(IPCP, NAK, ident=c.id), "RFC 1661 4.1", "IPCP can be renegotiated while open")
    c.packet(IPCP, TREQ, 90)
    ck(c.get(IPCP, TACK, ident=90), "RFC 1661 5.5", "Terminate-Request of IPCP is acknowledged")
    # never mentioned, never accepted
    c = w.tunnel("std").call()
    c.lcp()
    c.pap("alice", "secret")
    c.their_request(IPCP)
    g = c.ask(IPCP, [])
    ck(g["code"] == NAK and 3 in dict(dec(g["data"])), "RFC 1661 5.3, RFC 1332 3.3", "a request without IP-Address is told it")
    want = dict(dec(g["data"]))[3]
    codes = [c.ask(IPCP, [(3, a4("192.0.2.77"))])["code"] for _ in range(3)]
    ck(codes[0] == NAK and codes[-1] == REJ, "RFC 1661 4.6", f"who insists on another address is rejected at last: {codes}")
    m = w.mark()
    c.send(IP4, ipv4(a4("192.0.2.77"), a4(DNS1), udp(a4("192.0.2.77"), a4(DNS1), m)))
    ck(w.core.marked(m, 0.3) is None, "source check", "... and never sends from it")
    ck(want[:1] == b"\x64", "pool", "an address of the pool")


def s_ipv6cp(w, ck):
    t = w.tunnel("std")
    c = t.call()
    c.lcp()
    c.pap("six", "secret")
    f, o = c.their_request(IP6CP)
    theirs = dict(o)[1]
    ck(len(theirs) == 8 and any(theirs), "RFC 5072 4.1", "the node's identifier is not zero")
    g = c.ask(IP6CP, [(1, bytes(8))])
    v = dict(dec(g["data"])).get(1, b"")
    ck(g["code"] == NAK and len(v) == 8 and any(v) and v != theirs, "RFC 5072 4.1", "zero is naked with an identifier that is neither")
    g = c.ask(IP6CP, [(1, theirs)])
    v = dict(dec(g["data"])).get(1, b"")
    ck(g["code"] == NAK and v != theirs and any(v), "RFC 5072 4.1", "a collision is naked with another one")
    g = c.ask(IP6CP, [(2, b"\0\x4f"), (1, v)])
    ck(g["code"] == REJ and g["data"] == enc([(2, b"\0\x4f")]), "RFC 5172 2", "IPv6-Compression-Protocol is rejected")
    ck(c.ask(IP6CP, [(1, v)])["code"] == ACK, "RFC 5072 4.1", "what was suggested is acknowledged")
    c.iid, c.router_iid = v, theirs
    ra = c.want(IP6, test=lambda f: f["info"][40:41] == b"\x86")["info"]
    ck(ra[7] == 255, "RFC 4861 6.1.2", "a router advertisement comes, hop limit 255")
    ck(ra[8:24] == b"\xfe\x80" + bytes(6) + theirs, "RFC 4861 4.2", "from the link-local address of the negotiated identifier")
    ck(csum(pseudo(ra[8:24], ra[24:40], 58, len(ra) - 40) + ra[40:]) == 0, "RFC 4443 2.3", "its checksum is right")
    ck(struct.unpack("!H", ra[46:48])[0] > 0, "RFC 4861 4.2", "a router lifetime: a default router")
    opt = nd_options(ra[56:])
    p = next((x for k, x in opt if k == 3), bytes(30))
    ck(p[0] == 64 and p[14:22] == a6("2001:db8:1001:7::")[:8] and p[22:] == bytes(8), "RFC 4861 4.6.2, RFC 2865",
       "the prefix of AAA, /64")
    ck(p[1] & 0x40 and struct.unpack("!I", p[2:6])[0] >= struct.unpack("!I", p[6:10])[0] > 0, "RFC 4861 4.6.2, RFC 4862 5.5.3",
       "autonomous, preferred no longer than valid")
    m = next((struct.unpack("!I", x[2:6])[0] for k, x in opt if k == 5), None)
    ck(m is None or 1280 <= m <= 1500, "RFC 4861 4.6.4", f"MTU option {m}")
    me = b"\xfe\x80" + bytes(6) + v
    rs = b"\x85\0\0\0\0\0\0\0"

    def solicit(src, body, hops=255):
        dst = a6("ff02::2")
        s = csum(pseudo(src, dst, 58, len(body)) + body)
        c.send(IP6, ipv6(src, dst, body[:2] + struct.pack("!H", s) + body[4:], 58, hops))
        return c.get(IP6, seconds=2 if hops == 255 and body == rs else 0.6, test=lambda f: f["info"][40:41] == b"\x86")
    c.forget()
    ck(solicit(me, rs, 64) is None, "RFC 4861 6.1.1", "a solicitation with a hop limit below 255 is discarded")
    ck(solicit(me, rs + b"\1\0" + bytes(6)) is None, "RFC 4861 6.1.1", "one with an option of length zero too")
    ck(solicit(me, rs), "RFC 4861 6.2.6", "a right one is answered")
    # IPV6CP alone
    ck(c.show()["subscriber"]["forwarding"], "RFC 1661 3.6", "IPV6CP is open although IPCP is not")
    # IPv6 not configured
    c = w.tunnel("four").call()
    c.lcp()
    c.pap("alice", "secret")
    c.want(IPCP, REQ)
    c.packet(IP6CP, REQ, 5, enc([(1, v)]))
    g = c.get(LCP, PROTREJ)
    ck(g and g["data"][:2] == b"\x80\x57", "RFC 1661 5.7", "IPV6CP is rejected as a protocol where IPv6 is off")
    # Protocol-Reject from the peer
    c = t.call()
    c.lcp()
    c.pap("alice", "secret")
    f = c.want(IP6CP, REQ)
    c.packet(LCP, PROTREJ, 7, struct.pack("!H", IP6CP) + f["info"])
    c.ipcp()
    c.forget()
    ck(c.none(IP6CP, seconds=1.7) and c.alive(), "RFC 1661 5.7", "a rejected IPV6CP is given up, the link is not")
    c.packet(LCP, PROTREJ, 8, struct.pack("!H", IPCP) + b"\1\1\0\4")
    cause = c.cdn(12)[1]
    ck(cause[0] == 18, "RFC 3145 2.1", f"with the last network protocol the call ends, cause 18: {cause}")


# --- stories: who may, and what is given ----------------------------------------------------------------------

def s_aaa(w, ck):
    t = w.tunnel("std")
    c = t.call()
    c.up("bob", "builder")
    ck(socket.inet_ntoa(c.ip) == "100.64.16.5", "RFC 2865 5.8", "Framed-IP-Address")
    c = t.call()
    c.up("fine", "secret")
    s = c.show()["subscriber"]
    ck(s.get("filter-id") == "gold" and s.get("session-timeout-seconds") == 3600, "RFC 2865 5.11 5.27", "Filter-Id and Session-Timeout are kept")
    ck(s.get("user") == "fine" and s.get("authentication") and s.get("acct-session-id"), "RFC 2866 5.5", "name, authentication, Acct-Session-Id")
    one = t.call()
    one.up("twin1", "secret")
    two = t.call()
    two.lcp()
    two.pap("twin2", "secret")
    result, cause, a = two.cdn(12)
    ck(cause[0] == 20 or result in (4, 5), "RFC 2661 4.4.2, RFC 3145", f"an address given twice: the later is refused: {result} {cause}")
    ck(one.alive() and one.show()["subscriber"]["forwarding"], "pool", "... the earlier is not touched")
    ck("DUPLICATE" in w.node.ctl("show", "alarms").upper(), "alarms.def", "... and an alarm says so")
    c = t.call()
    c.lcp()
    c.pap("lost", "secret")
    result, cause, a = c.cdn(12)
    ck(result in (4, 5), "RFC 2869 5.18", f"a Framed-Pool that does not exist: refused, {result} {cause}")
    ck("unknown" in w.node.ctl("show", "alarms").lower() or "not exist" in w.node.ctl("show", "alarms"), "alarms.def", "... and an alarm says so")
    # the only address of a pool
    t = w.tunnel("tiny")
    one = t.call()
    one.up("u1", "secret")
    two = t.call()
    two.lcp()
    two.pap("u2", "secret")
    result, cause, a = two.cdn(12)
    ck(result == 4, "RFC 2661 4.4.2", f"an exhausted pool: temporary lack of facilities: {result} {cause}")
    ck(len(a[1]) > 4, "RFC 2661 4.4.2", f"... in words: {a[1][4:]}")
    ck("exhausted" in w.node.ctl("show", "alarms").lower(), "alarms.def", "... and an alarm says so")
    one.hang_up()
    ck(w.until(lambda: not one.show()), "RFC 2661 5.6", "a CDN of the LAC ends the session")

    def free():
        x = t.call()
        x.lcp()
        if x.pap("u2", "secret")["code"] == 2 and x.get(IPCP, REQ, seconds=1):
            x.hang_up()
            return True
        return False
    ck(w.until(free), "pool", "the address is free for another user")
    # stable
    t = w.tunnel("std")
    c = t.call()
    c.up("u77", "secret")
    first = c.ip
    c.hang_up()
    w.until(lambda: not c.show())
    others = [t.call().up(f"u{n}", "secret") for n in range(80, 83)]
    ck(first not in [o.ip for o in others], "pool", "others get other addresses")
    c = t.call()
    c.up("u77", "secret")
    ck(c.ip == first, "pool", "the same user gets the same address again")


def s_timeouts(w, ck):
    t = w.tunnel("std")
    a, b = t.call(), t.call()
    b.up("idle", "secret")
    a.up("short", "secret")
    began = time.monotonic()
    f = a.get(LCP, TREQ, seconds=6)
    took = time.monotonic() - began
    ck(f and 0.9 < took < 4, "RFC 2865 5.27", f"Session-Timeout of 2 s: Terminate-Request after {took:.1f} s")
    if f:
        a.packet(LCP, TACK, f["id"])
        a.cdn(2)
        ck(time.monotonic() - began - took < 1.2, "RFC 1661 4.1", "a Terminate-Ack ends the waiting")
    # a node that has just become active is patient for half a minute, for it cannot know who was idle
    while time.monotonic() < w.active + 33 and not b.ended():
        b.send(IP4, ipv4(b.ip, a4(DNS1), udp(b.ip, a4(DNS1), b"busy")))
        began = time.monotonic()
        t.pump(0.5)
    ck(not b.ended(), "RFC 2865 5.28", "Idle-Timeout does not end a session with traffic")
    f = b.get(LCP, TREQ, seconds=20)
    took = time.monotonic() - began
    ck(f and 5 < took < 10, "RFC 2865 5.28", f"and does after {took:.1f} s of silence, 6 s configured")
    if f:
        b.packet(LCP, TACK, f["id"])
        ck(b.cdn(), "RFC 2865 5.28", "with a CDN")


# --- stories: packets -----------------------------------------------------------------------------------------

def s_data_up(w, ck):
    c = w.tunnel("std").call()
    c.lcp([(PFC, b""), (ACFC, b""), (MAGIC, struct.pack("!I", c.magic))])
    host = a4(DNS1)

    def send(src, ttl=64, tos=0, body=None, **how):
        m = w.mark()
        c.send(IP4, ipv4(src, host, udp(src, host, m) if body is None else body(m), ttl=ttl, tos=tos), **how)
        return m
    m = send(a4("100.64.0.2"))
    ck(w.core.marked(m, 0.3) is None, "RFC 1661 3.5", "a packet before authentication is dropped")
    c.pap("alice", "secret")
    m = send(a4("100.64.0.2"))
    ck(w.core.marked(m, 0.3) is None, "RFC 1661 3.6", "a packet before IPCP is open is dropped")
    c.ipcp()
    c.ipv6cp()
    me6 = c.prefix + c.iid
    w.until(lambda: c.show().get("subscriber", {}).get("forwarding"))
    ck(w.until(lambda: w.core.marked(send(c.ip), 0.3)), "RFC 1661 3.6", "then packets pass")
    for how, what in ((dict(acfc=True), "ACFC"), (dict(pfc=True), "PFC"), (dict(acfc=True, pfc=True), "both")):
        if how.get("pfc"):
            m = w.mark()
            c.send(0x21, ipv4(c.ip, host, udp(c.ip, host, m)), **how)
        else:
            m = send(c.ip, **how)
        ck(w.core.marked(m), "RFC 1661 6.5 6.6", f"a frame with {what} is understood")
    m = send(c.ip, ttl=9)
    p = w.core.marked(m)
    ck(p and p[8] < 9 and csum(p[:20]) == 0, "RFC 1812 5.3.1", "TTL goes down, the checksum is right")
    c.forget()
    m = send(c.ip, ttl=1)
    ck(w.core.marked(m, 0.3) is None, "RFC 1812 5.3.1", "TTL 1 goes no further")
    f = c.get(IP4)
    i = f["info"] if f else bytes(60)
    ck(i[20:22] == b"\x0b\0" and i[12:16] == a4(LOCAL4) and i[16:20] == c.ip and csum(i[20:]) == 0 and csum(i[:20]) == 0,
       "RFC 792, RFC 1812 4.3", "ICMP time exceeded from our end of the link")
    ck(i[28 + 12:28 + 20] == c.ip + host, "RFC 792", "... quotes the packet")
    spoofs = [send(a4(x)) for x in ("100.64.200.200", "10.20.0.10", "192.0.2.9", "127.0.0.1", "0.0.0.0", "224.0.0.9", "255.255.255.255")]
    ck(w.core.get(lambda p: any(m in p for m in spoofs), 0.5) is None, "RFC 2827", "spoofed IPv4 sources are dropped")
    h6 = a6(bench.HOST6)

    def send6(src, hops=64, dst=h6):
        m = w.mark()
        c.send(IP6, ipv6(src, dst, udp(src, dst, m), hops=hops))
        return m
    ck(w.until(lambda: w.core.marked(send6(me6), 0.3)), "RFC 5072", "IPv6 packets pass")
    spoofs = [send6(a6(x)) for x in ("2001:db8:1000:ffff::1", "2001:db8::1", "::1", "::", "ff02::1", "fe80::99")]
    ck(w.core.get(lambda p: any(m in p for m in spoofs), 0.5) is None, "RFC 2827", "spoofed IPv6 sources are dropped")
    c.forget()
    m = send6(me6, hops=1)
    f = c.get(IP6, test=lambda f: f["info"][6] == 58 and f["info"][40] == 3)
    i = f["info"] if f else bytes(90)
    ck(f and csum(pseudo(i[8:24], i[24:40], 58, len(i) - 40) + i[40:]) == 0 and i[24:40] == me6 and m in i, "RFC 4443 3.3",
       "hop limit 1: ICMPv6 time exceeded")
    # broken headers
    good = ipv4(c.ip, host, udp(c.ip, host, b"<broken>"))
    for k, bad in enumerate((b"\x65" + good[1:], b"\x44" + good[1:], b"\x4f" + good[1:], good[:2] + b"\xff\xff" + good[4:],
                             good[:10] + b"\1\2" + good[12:], good[:19], b"", good[:2] + b"\0\x10" + good[4:])):
        c.send(IP4, bad)
    ck(w.core.get(lambda p: b"<broken>" in p, 0.4) is None and c.alive(), "RFC 1812 5.2.2", "broken IPv4 headers are dropped, and that is all")
    # padding behind the packet
    m = w.mark()
    c.send(IP4, ipv4(c.ip, host, udp(c.ip, host, m)) + b"<pad>" * 4)
    p = w.core.marked(m)
    ck(p and b"<pad>" not in p, "RFC 1661 2", "padding behind an IP packet is cut off")
    p = w.core.get(lambda p: p[9] == 6 and p[12:16] == c.ip,
                   PATIENCE) if c.send(IP4, ipv4(c.ip, host, tcp_syn(c.ip, host, 1460), 6)) is None else None
    mss = struct.unpack("!H", p[42:44])[0] if p else 0
    ck(0 < mss <= 1460 and p and csum(pseudo(p[12:16], p[16:20], 6, len(p) - 20) + p[20:]) == 0, "RFC 879, RFC 6691", f"MSS up 1460 -> {mss}, checksum right")
    # big ones: the outer datagram comes in fragments
    m = w.mark()
    c.send(IP4, ipv4(c.ip, host, udp(c.ip, host, m + b"x" * (1472 - len(m)))))
    p = w.core.marked(m)
    ck(p and len(p) == 1500, "RFC 1661 6.1", "1500 octets are always received (in fragments of the outer datagram)")
    # from elsewhere
    thief = Tunnel(w, "std", bind="10.10.0.11")
    m = w.mark()
    thief.raw(struct.pack("!HHH", 2, c.t.peer, c.peer) + b"\xff\x03\0\x21" + ipv4(c.ip, host, udp(c.ip, host, m)))
    ck(w.core.marked(m, 0.4) is None, "RFC 2661 8.1, 9", "data of another address for this session is dropped")
    thief.raw(struct.pack("!HHH", 2, c.t.peer, c.peer) + b"\xff\x03" + struct.pack("!HBBH", LCP, TREQ, 1, 4))
    ck(c.none(LCP, TACK) and c.alive(), "RFC 2661 8.1, 9", "... and cannot end it")
    ck(w.until(lambda: "not the tunnel's peer" in w.node.ctl("show", "counters"), 15), "drops.def", "... and is counted")
    m = w.mark()
    c.t.raw(struct.pack("!HHH", 2, c.t.peer, 65001) + b"\xff\x03\0\x21" + ipv4(c.ip, host, udp(c.ip, host, m)))
    c.t.raw(struct.pack("!HHH", 2, 65001, c.peer) + b"\xff\x03\0\x21" + ipv4(c.ip, host, udp(c.ip, host, m)))
    c.t.raw(struct.pack("!HHH", 3, c.t.peer, c.peer) + b"\xff\x03\0\x21" + ipv4(c.ip, host, udp(c.ip, host, m)))
    ck(w.core.marked(m, 0.3) is None, "RFC 2661 3.1", "unknown session, unknown tunnel, another version: dropped")
    m = w.mark()
    body = b"\xff\x03\0\x21" + ipv4(c.ip, host, udp(c.ip, host, m))
    c.t.raw(struct.pack("!HHHHH", 0x4202, 10 + 3 + len(body), c.t.peer, c.peer, 3) + b"pad" + body)
    ck(w.core.marked(m), "RFC 2661 3.1", "Length and Offset fields are understood")


def s_data_down(w, ck):
    t = w.tunnel("std")
    c = t.call()
    c.up(v6=True, options=[(MRU, struct.pack("!H", 1400)), (PFC, b""), (ACFC, b""), (MAGIC, struct.pack("!I", c.magic))])
    host = a4(DNS1)

    def down(n=0, **how):
        m = w.mark()
        p = ipv4(host, c.ip, udp(host, c.ip, m + b"y" * max(0, n - 28 - len(m))), **how)
        w.core.send(p)
        return m

    def take(m, seconds=PATIENCE, proto=IP4):
        return c.get(proto, seconds=seconds, test=lambda f: m in f["info"])
    f = None
    for _ in range(10):
        m = down(tos=0xB8)
        f = take(m, 0.5)
        if f:
            break
    ck(f, "RFC 1661 3.6", "packets come down")
    if not f:
        return
    ck(f["tos"] & 0xFC == 0xB8, "RFC 2983", f"DSCP in the outer header: {f['tos']:#x}")
    m = down(tos=0)
    g = take(m)
    ck(g and g["tos"] & 0xFC == 0, "RFC 2983", "... and none where there is none")
    ck(f["proto"] == IP4 and csum(f["info"][:20]) == 0 and f["info"][8] < 64, "RFC 1812 5.3.1", "TTL down, checksum right")
    m = down(n=1400)
    f = take(m)
    ck(f and len(f["info"]) == 1400, "RFC 1661 6.1", "1400 octets to a peer with MRU 1400")
    ident = random.randrange(1 << 16)
    m = down(n=1480, ident=ident)
    one = take(m)
    two = c.get(IP4, test=lambda f: f["info"][4:6] == struct.pack("!H", ident) and m not in f["info"])
    ck(one and two and max(len(one["info"]), len(two["info"])) <= 1400, "RFC 1661 6.1, RFC 791", "1480 octets come as fragments within the MRU")
    if one and two:
        first, second = one["info"], two["info"]
        off = struct.unpack("!H", second[6:8])[0]
        ck(first[6] & 0x20 and not off & 0x2000 and 8 * (off & 0x1FFF) == len(first) - 20 and len(first) + len(second) - 40 == 1460 and
           csum(first[:20]) == 0 and csum(second[:20]) == 0, "RFC 791 3.2", "... which fit together")
    m = down(n=1480, df=True)
    p = w.core.get(lambda p: p[9] == 1 and p[20:22] == b"\3\4" and p[28 + 16:28 + 20] == c.ip)
    ck(p and struct.unpack("!H", p[26:28])[0] == 1400 and csum(p[20:]) == 0, "RFC 1191 4", "with DF: ICMP packet-too-big, next-hop MTU 1400")
    ck(take(m, 0.2) is None, "RFC 791", "... and no packet")
    h6 = a6(bench.HOST6)
    m = w.mark()
    p6 = ipv6(h6, c.ip6, udp(h6, c.ip6, m + b"z" * 1400))
    w.core.send(p6)
    p = w.core.get(lambda p: p[0] >> 4 == 6 and p[6] == 58 and p[40] == 2 and m in p)
    ck(p and struct.unpack("!I", p[44:48])[0] == 1400 and csum(pseudo(p[8:24], p[24:40], 58, len(p) - 40) + p[40:]) == 0, "RFC 4443 3.2",
       "IPv6: packet too big, MTU 1400")
    m = w.mark()
    w.core.send(ipv6(h6, c.ip6, udp(h6, c.ip6, m), tc=0xB8))
    f = take(m, proto=IP6)
    ck(f and f["tos"] & 0xFC == 0xB8 and f["info"][7] < 64, "RFC 2983", "IPv6 down: traffic class outside, hop limit down")
    other = c.ip6[:15] + bytes([c.ip6[15] ^ 5])
    m = w.mark()
    w.core.send(ipv6(h6, other, udp(h6, other, m)))
    ck(take(m, proto=IP6), "RFC 4861", "any address of the prefix reaches the subscriber")
    w.core.send(ipv4(host, c.ip, tcp_syn(host, c.ip, 1460), 6))
    f = c.get(IP4, test=lambda f: f["info"][9] == 6)
    mss = struct.unpack("!H", f["info"][42:44])[0] if f else 0
    ck(0 < mss <= 1360 and csum(pseudo(host, c.ip, 6, 24) + f["info"][20:]) == 0, "RFC 6691", f"MSS down 1460 -> {mss}, 1360 at most for MRU 1400")
    w.core.send(ipv4(host, c.ip, tcp_syn(host, c.ip, 536), 6))
    f = c.get(IP4, test=lambda f: f["info"][9] == 6)
    ck(f and struct.unpack("!H", f["info"][42:44])[0] == 536, "RFC 6691", "a smaller MSS is left alone")
    # 1: two hops left at the host: one for the node's kernel, one for the link
    m = down(ttl=1)
    ck(take(m, 0.3) is None, "RFC 1812 5.3.1", "TTL 1 does not come down")
    ck(w.core.get(lambda p: p[9] == 1 and p[20] == 11), "RFC 792", "... and the host hears time exceeded")
    m = down(ttl=2)
    p = w.core.get(lambda p: p[9] == 1 and p[20] == 11 and p[28 + 8] == 1 and p[28 + 16:28 + 20] == c.ip, 2)
    ck(p and p[12:16] == a4(LOCAL4) and take(m, 0.2) is None, "RFC 792, RFC 1812 5.3.1", "nor TTL 2: time exceeded from our end of the link")
    c.packet(IPCP, TREQ, 91)
    c.want(IPCP, TACK, ident=91)
    w.until(lambda: take(down(), 0.2) is None, 3)
    m = down()
    ck(take(m, 0.3) is None, "RFC 1661 3.6", "no IPv4 down after IPCP was terminated")
    # MRU 9000 asked for: the tunnel side is 1500
    c = t.call()
    c.up(options=[(MRU, struct.pack("!H", 9000))])
    for _ in range(10):
        m = down(n=1500)
        f = take(m, 0.5)
        if f:
            break
    ck(f and len(f["info"]) == 1500 and f["size"] > 1500, "RFC 1661 6.1", "1500 octets whole to a peer with a larger MRU")
    # Framed-MTU
    c = t.call()
    c.up("small", "secret")
    ck(c.show()["subscriber"].get("mtu") == 1300, "RFC 2865 5.12", f"Framed-MTU: {c.show()['subscriber'].get('mtu')}")


def s_counters(w, ck):
    """The row of counters is written every 10 to 30 s."""
    c = w.tunnel("std").call()
    c.up("u9", "secret")
    host = a4(DNS1)

    def mine(p):
        return p[12:16] == c.ip and b"count me" in p
    arrived = 0
    while not arrived:
        c.send(IP4, ipv4(c.ip, host, udp(c.ip, host, b"count me" + b"z" * 64)))
        arrived += w.core.get(mine, 0.3) is not None
    for _ in range(20):
        c.send(IP4, ipv4(c.ip, host, udp(c.ip, host, b"count me" + b"z" * 64)))
        w.core.send(ipv4(host, c.ip, udp(host, c.ip, b"z" * 172)))
    while w.core.get(mine, 0.7):
        arrived += 1
    down = 0
    while c.get(IP4, seconds=0.5, test=lambda f: len(f["info"]) == 200):
        down += 1
    ck(arrived >= 21 and down == 20, "product", f"20 packets up and down: {arrived} (with the first) and {down} came")
    dropped = 3
    for _ in range(dropped):
        c.send(IP4, ipv4(a4("192.0.2.1"), host, udp(a4("192.0.2.1"), host, b"spoofed")))
    # ICMP port unreachable of the host is counted too, if it answers: octets of ours are told by their size
    wanted = [arrived, 100 * arrived, 20, 4000]

    def traffic():
        s = c.show().get("traffic", {})
        return [s.get(k, 0) for k in ("from-subscriber-packets", "from-subscriber-octets", "to-subscriber-packets", "to-subscriber-octets")]
    extra = [len(f["info"]) for f in c.frames if f["proto"] == IP4]
    wanted[2] += len(extra)
    wanted[3] += sum(extra)
    ck(w.until(lambda: traffic() == wanted, 45), "RFC 2866 5.3 5.4, 5.42", f"sent and counted: {wanted} {traffic()}")
    ck(c.show()["traffic"]["drops"] == dropped, "docs", f"{dropped} drops are counted in the session: {c.show()['traffic']['drops']}")


def s_sequence(w, ck):
    c = w.tunnel("std").call(extra=avp(39, b""))
    c.seq = 0
    nss = []
    inner = c.frame

    def spy(data, ns, tos, size):
        nss.append(ns)
        inner(data, ns, tos, size)
    c.frame = spy
    c.up("u21", "secret")
    host = a4(DNS1)
    for _ in range(30):
        w.core.send(ipv4(host, c.ip, udp(host, c.ip, b"q" * 20)))
    ck(c.show()["call"]["sequencing-required"], "RFC 2661 4.4.4", "Sequencing Required is kept")
    got = sum(1 for _ in range(30) if c.get(IP4))
    ck(got == 30, "product", f"30 packets in a sequenced session, {got} came")
    ck(nss and None not in nss, "RFC 2661 5.4", "every data message has Ns, control frames too")
    ck(all((b - a) & 0xFFFF == 1 for a, b in zip(nss, nss[1:])), "RFC 2661 5.4", f"Ns goes up by one: {nss[:6]} ... {nss[-3:]}")

    def up(ns):
        m = w.mark()
        c.send(IP4, ipv4(c.ip, host, udp(c.ip, host, m)), ns=ns)
        return m
    base = c.seq
    ck(w.core.marked(up(base)), "RFC 2661 5.4", "the next in order is taken")
    ck(w.core.marked(up(base), 0.3) is None, "RFC 2661 5.4", "a copy is dropped")
    ck(w.core.marked(up(base + 5)), "docs/processes/data-plane.md", "after a gap it goes on")
    ck(w.core.marked(up(base + 3), 0.3) is None, "RFC 2661 5.4", "a late one is dropped")
    c.seq = None
    m = w.mark()
    c.send(IP4, ipv4(c.ip, host, udp(c.ip, host, m)))
    ck(w.core.marked(m, 0.3) is None, "RFC 2661 5.4", "one without Ns is dropped, where sequencing is required")
    c.seq = base + 6 & 0xFFFF
    m = up(c.seq)
    ck(w.core.marked(m), "RFC 2661 5.4", "and the session goes on")
    # not required: unnumbered both ways, numbered when the peer does? (RFC 2661: only the LNS decides)
    c = w.tunnel("std").call()
    c.up("u22", "secret")
    w.core.send(ipv4(host, c.ip, udp(host, c.ip, b"q" * 20)))
    f = c.get(IP4)
    ck(f and f["ns"] is None, "RFC 2661 5.4", "without Sequencing Required there are no numbers")


def s_ncp_answers(w, ck):
    """What the peer answers to the node's own requests of the network protocols, and ends and beginnings of one of them."""
    t = w.tunnel("std")
    c = t.call()
    c.lcp()
    c.pap("u40", "secret")
    f = c.want(IPCP, REQ)
    c.packet(IPCP, ACK, f["id"] ^ 0x40, f["data"])
    c.packet(IPCP, ACK, f["id"], enc([(3, a4("10.20.0.99"))]))
    g = c.get(IPCP, REQ, seconds=4)
    ck(g and g["whole"] == f["whole"], "RFC 1661 5.2", "IPCP: Acks that do not fit are discarded, the request is repeated")
    c.packet(IPCP, NAK, f["id"], enc([(3, a4("192.0.2.200"))]))
    g, o = c.their_request(IPCP, ack=False)
    ck(dict(o).get(3) == a4(LOCAL4) and g["id"] != f["id"], "RFC 1332 3.3", "the node's own address is not for the peer to choose")
    c.packet(IPCP, REJ, g["id"], g["data"])
    g, o = c.their_request(IPCP)
    ck(o == [], "RFC 1661 5.4", "rejected, it is left out")
    ip = dict(dec(c.ask(IPCP, [(3, bytes(4))])["data"]))[3]
    g = c.ask(IPCP, [(3, ip), (3, ip)])
    ck(g["code"] != ACK, "RFC 1661 6", "an option given twice is not acknowledged")
    ck(c.ask(IPCP, [(3, ip)])["code"] == ACK, "RFC 1332 3.3", "IPCP opens without the node's address")
    c.ip = ip
    c.ipv6cp()
    w.until(lambda: c.show().get("subscriber", {}).get("forwarding"))
    h = a4(DNS1)

    def passes(seconds=0.3):
        m = w.mark()
        c.send(IP4, ipv4(c.ip, h, udp(c.ip, h, m)))
        return w.core.marked(m, seconds)
    ck(w.until(passes), "RFC 1661 3.6", "packets pass")
    c.packet(IPCP, TREQ, 11)
    ck(c.get(IPCP, TACK, ident=11), "RFC 1661 5.5", "IPCP is ended by the peer")
    ck(w.until(lambda: not passes(0.2), 4) and c.alive(), "RFC 1661 3.6", "no IPv4 then; the link lives on IPv6")
    c.forget()
    c.id += 1
    c.packet(IPCP, REQ, c.id, enc([(3, ip)]))
    ck(c.none(IPCP), "RFC 1661 4.1 RCR+ in Stopping", "a Configure-Request at once is not answered")
    f = None
    for _ in range(10):  # Stopping becomes Stopped after the restart time
        c.packet(IPCP, REQ, c.id, enc([(3, ip)]))
        f = f or c.get(IPCP, REQ, seconds=0.5)
        if f:
            break
    if f:
        c.packet(IPCP, ACK, f["id"], f["data"])
    ck(f and c.get(IPCP, ACK, ident=c.id), "RFC 1661 4.1 RCR+ in Stopped", "a Configure-Request begins it anew")
    ck(w.until(passes), "RFC 1661 3.6", "and packets pass again")
    # PAP rejected as a protocol
    c = t.call()
    c.lcp()
    c.packet(LCP, PROTREJ, 7, struct.pack("!H", PAP) + b"\1\1\0\4")
    cause = c.cdn(12)[1]
    ck(cause[0] == 15, "RFC 1661 5.7, RFC 3145", f"PAP agreed to and then rejected as a protocol: cause 15: {cause}")
    # LCP rejected as a protocol
    c = t.call()
    c.lcp()
    c.packet(LCP, PROTREJ, 8, struct.pack("!H", LCP) + b"\1\1\0\4")
    ck(c.get(LCP, TREQ), "RFC 1661 4.3 RXJ-", "a Protocol-Reject of LCP is a catastrophe: Terminate-Request")
    # a Code-Reject of Configure-Request
    c = t.call()
    f = c.want(LCP, REQ)
    c.packet(LCP, CODEREJ, 9, f["info"])
    ck(c.cdn(12), "RFC 1661 4.3 RXJ-", "a Code-Reject of Configure-Request ends the call")


def s_compression(w, ck):
    t = w.tunnel("std")
    for negotiated in (False, True):
        c = t.call()
        c.up(options=[(PFC, b""), (ACFC, b"")] if negotiated else [])
        h = a4(DNS1)
        f = None
        for _ in range(10):
            w.core.send(ipv4(h, c.ip, udp(h, c.ip, b"down")))
            f = f or c.get(IP4, seconds=0.4)
        ck(f and (negotiated or not f["pfc"] and not f["acfc"]), "RFC 1661 6.5 6.6", f"{'with' if negotiated else 'without'} PFC and ACFC: "
           f"the head of a frame down: {f and f['whole'][:4].hex()}")
        c.id += 1
        c.packet(LCP, ECHO, c.id, bytes(4), acfc=negotiated)
        g = c.get(LCP, REPLY, ident=c.id)
        ck(g and not g["acfc"] and not g["pfc"], "RFC 1661 6.5 6.6", "LCP frames are never compressed")


def s_data_more(w, ck):
    t = w.tunnel("std")
    a, b = t.call(), t.call()
    a.up("u50", "secret", v6=True, options=[(MRU, struct.pack("!H", 1400))])
    b.up("u51", "secret", v6=True)
    h, h6 = a4(DNS1), a6(bench.HOST6)
    # one subscriber to another, and as another
    m = w.mark()
    f = None
    for _ in range(10):
        a.send(IP4, ipv4(a.ip, b.ip, udp(a.ip, b.ip, m)))
        f = f or b.get(IP4, seconds=0.4, test=lambda f: m in f["info"])
    ck(f and f["info"][8] < 64, "RFC 1812", "a packet for another subscriber reaches it")
    m = w.mark()
    a.send(IP4, ipv4(b.ip, h, udp(b.ip, h, m)))
    a.send(IP6, ipv6(b.ip6, h6, udp(b.ip6, h6, m)))
    ck(w.core.marked(m, 0.4) is None, "RFC 2827", "a session does not speak with the addresses of another one")
    # to the node itself
    echo = struct.pack("!BBHHH", 8, 0, 0, 7, 7) + b"ping"
    echo = echo[:2] + struct.pack("!H", csum(echo)) + echo[4:]
    a.send(IP4, ipv4(a.ip, a4(LOCAL4), echo, 1))
    f = a.get(IP4, test=lambda f: f["info"][9] == 1 and f["info"][20] == 0)
    ck(f and f["info"][12:16] == a4(LOCAL4), "RFC 1122 3.2.2.6", "our end of the link answers a ping")
    # MSS with a smaller MTU, both families
    a.send(IP4, ipv4(a.ip, h, tcp_syn(a.ip, h, 1460), 6))
    p = w.core.get(lambda p: p[0] >> 4 == 4 and p[9] == 6 and p[12:16] == a.ip)
    ck(p and struct.unpack("!H", p[42:44])[0] == 1360, "RFC 6691", "MSS up, to what fits a link of 1400")
    a.send(IP6, ipv6(a.ip6, h6, tcp_syn(a.ip6, h6, 1440), 6))
    p = w.core.get(lambda p: p[0] >> 4 == 6 and p[6] == 6 and p[8:24] == a.ip6)
    ck(p and struct.unpack("!H", p[62:64])[0] == 1340 and csum(pseudo(p[8:24], p[24:40], 6, len(p) - 40) + p[40:]) == 0, "RFC 6691",
       "MSS up in IPv6")
    w.core.send(ipv6(h6, a.ip6, tcp_syn(h6, a.ip6, 1440), 6))
    f = a.get(IP6, test=lambda f: f["info"][6] == 6 and f["info"][53] == 2)  # the SYN, not a RST of the host
    ck(f and struct.unpack("!H", f["info"][62:64])[0] == 1340, "RFC 6691", "MSS down in IPv6")
    # ECN
    t.s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 3)
    got = {}
    for inner in (0, 1, 2, 3):
        m = w.mark()
        a.send(IP4, ipv4(a.ip, h, udp(a.ip, h, m), tos=inner))
        p = w.core.marked(m, 0.5 if inner == 0 else PATIENCE)
        got[inner] = p and p[1] & 3
    t.s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0)
    ck(got == {0: None, 1: 3, 2: 3, 3: 3}, "RFC 6040 4.2", f"congestion experienced outside: {got}")
    # fragments pass both ways
    m = w.mark()
    first = struct.pack("!HHHH", 4000, 4001, 8 + 16 + 400, 0) + m.ljust(392, b"f")
    p = bytearray(ipv4(a.ip, h, first))
    p[6] |= 0x20
    p[10:12] = b"\0\0"
    p[10:12] = struct.pack("!H", csum(bytes(p[:20])))
    a.send(IP4, bytes(p))
    got = w.core.marked(m)
    ck(got and got[6] & 0x20 and got[4:6] == p[4:6], "RFC 791", "a fragment is passed on as a fragment")
    # gone is gone
    ip = b.ip
    b.hang_up()
    w.until(lambda: not b.show())
    m = w.mark()
    b.send(IP4, ipv4(ip, h, udp(ip, h, m)))
    ck(w.core.marked(m, 0.3) is None, "RFC 2661 5.6", "no packet passes after the CDN")
    # LCP again with another MRU
    a.forget()
    a.id += 1
    a.packet(LCP, REQ, a.id, enc([(MRU, struct.pack("!H", 1000)), (MAGIC, b"\1\2\3\4")]))
    a.their_request()
    a.want(LCP, ACK, ident=a.id)
    a.pap("u50", "secret")
    a.ipcp()
    ck(w.until(lambda: a.show()["subscriber"].get("mtu") == 1000), "RFC 1661 6.1", "a smaller MRU of a renegotiation is kept to")
    w.until(lambda: a.show()["subscriber"].get("forwarding"))
    ident = random.randrange(1 << 16)
    sizes = []
    for _ in range(10):
        w.core.send(ipv4(h, a.ip, udp(h, a.ip, b"v" * 1172), ident=ident))
        f = a.get(IP4, seconds=0.4)
        if f:
            sizes.append(len(f["info"]))
            break
    ck(sizes and sizes[0] <= 1000, "RFC 1661 6.1", f"... by packets down: {sizes}")


# --- stories: garbage -----------------------------------------------------------------------------------------

def s_garbage(w, ck):
    rng = random.Random(1661)
    seeds = [struct.pack("!H", p) + struct.pack("!BBH", k, 1, 4 + len(d)) + d
             for p in (LCP, IPCP, IP6CP) for k in range(0, 14) for d in (b"", enc([(1, b"\5\xdc")]), enc([(3, bytes(4)), (129, bytes(4))]), b"\xc0\x21" * 4)]
    seeds += [struct.pack("!HBBH", PAP, 1, 1, 16) + pstr("alice") + pstr("secret"), struct.pack("!HBBH", CHAP, 2, 1, 26) + b"\x10" + bytes(16) + b"alice",
              struct.pack("!H", IP6) + ipv6(a6("fe80::7"), a6("ff02::2"), b"\x85" + bytes(7), 58, 255), struct.pack("!H", IP4) + bytes(40)]

    def junk(c, n):
        for _ in range(n):
            s = bytearray(rng.choice(seeds))
            how = rng.randrange(4)
            if how == 0:
                s = s[:rng.randrange(len(s) + 1)]
            elif how == 1:
                for _ in range(rng.randrange(1, 5)):
                    s[rng.randrange(len(s))] = rng.randrange(256)
            elif how == 2:
                s += rng.randbytes(rng.randrange(1, 1400))
            else:
                s = bytearray(rng.randbytes(rng.randrange(0, 90)))
            c.send_raw((b"\xff\x03" if rng.random() < 0.8 else b"") + bytes(s))
            if rng.random() < 0.05:
                c.t.pump(0.001)

    def phase(name, prepare):
        t = w.tunnel("choice")
        c = t.call()
        prepare(c)
        junk(c, 500)
        while t.pump(0.05):
            pass
        ck(all(p.poll() is None for p in w.node.p.values()), "robustness", f"500 broken frames in phase {name}: every process lives")

    def auth(c):
        c.lcp()

    def opened(c):
        c.lcp(nak_auth=A_PAP)
        c.pap("u30", "secret")
        c.ipcp()
    phase("establish", lambda c: None)
    phase("authenticate", auth)
    phase("network", lambda c: (auth(c), c.chap("u31", "secret"), c.want(IPCP, REQ)))
    phase("open", opened)
    t = w.tunnel("choice")
    for _ in range(300):
        t.raw(struct.pack("!H", rng.choice((2, 0x4002, 0x0802, 0x0202, 0xC802, 0x4A02))) + rng.randbytes(rng.randrange(0, 60)))
    c = w.tunnel("choice").call()
    c.lcp(nak_auth=A_PAP)
    ck(c.pap("u32", "secret")["code"] == 2 and c.ipcp(), "robustness", "after all that a subscriber is served")


# --- all of it --------------------------------------------------------------------------------------------------

def main(told_by=None, more=()):
    """All stories of a module, side by side; `more`: PPP profiles that they need besides."""
    words = [a for a in sys.argv[1:] if not a.startswith("-")]
    stories = [(k[2:], f) for k, f in (told_by or globals()).items()
               if k.startswith("s_") and (not words or any(x in k for x in words))]
    began = time.monotonic()
    try:
        w = World("-v" in sys.argv, more)
    except bench.Trouble as e:
        print(e)
        return 1

    def run(name, story):
        w.story.wrong = wrong = []
        try:
            story(w, w.ck)
        except Nothing as e:
            w.ck(False, name, f"waited in vain for {e} ({traceback.extract_tb(e.__traceback__)[1].lineno})")
        except Exception:
            w.ck(False, name, traceback.format_exc())
        del w.story.wrong
        return wrong

    def timed(name, story):
        start = time.monotonic()
        wrong = run(name, story)
        print(f"story {name}: {time.monotonic() - start:.1f} s", flush=True)
        return name, story, wrong

    told = still.Telling()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = [f.result() for f in [pool.submit(timed, *s) for s in stories]]
    stood = told.stood_still()
    for name, story, wrong in found:
        w.failed += told.again_if(stood, name, lambda: run(name, story), wrong)
    dead = [k for k, p in w.node.p.items() if p.poll() is not None]
    w.ck(not dead and w.node.pids() == w.pids, "robustness", f"no process of the node ended: {dead}")
    print(f"{w.passed} checks kept, {len(w.failed)} broken, {time.monotonic() - began:.0f} s")
    for f in w.failed:
        print("  " + f)
    if w.failed:
        print(w.node.ctl("show", "counters", check=False))
    return 1 if w.failed else 0


if __name__ == "__main__":
    sys.exit(main())
