#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A second compressor and a second decompressor for CRTP and ECRTP, written from RFC 2507, 2508 and 3545 alone.

They share no code and no habits with services/lib/crtp: headers are dictionaries of numbers here, a context is the last
header, nothing is fast.  The compressor is told what to do with a packet by chance, within what the RFCs allow, so that
it says everything that can be said: every flag of COMPRESSED_UDP, differences and absolute values, lists, escapes,
COMPRESSED_NON_TCP, both sizes of CID, one IP header in another.
"""

import random
import struct

FULL_HEADER, NON_TCP, UDP8, RTP8, UDP16, RTP16 = 0x61, 0x65, 0x67, 0x69, 0x2067, 0x2069
IPV4, IPV6, CONTEXT_STATE = 0x21, 0x57, 0x2065
MAX_HEADER = 168


class Refused(Exception):
    pass


# --- sums -------------------------------------------------------------------------------------------------


def ones(data):
    if len(data) % 2:
        data += b"\0"
    s = sum(struct.unpack(f">{len(data) // 2}H", data))
    while s > 0xFFFF:
        s = (s & 0xFFFF) + (s >> 16)
    return s


def udp_checksum(ip, udp_header, covered):
    """RFC 768 and RFC 8200, 8.1; over `covered` of the data only, for RFC 3545's HDRCKSUM."""
    length = struct.unpack(">H", udp_header[4:6])[0]
    pseudo = ip["src"] + ip["dst"] + struct.pack(">HH", 17, length)
    s = 0xFFFF - ones(pseudo + udp_header[:6] + b"\0\0" + covered)
    return s or 0xFFFF


# --- IPv6 extension headers: RFC 2507, 7.2 to 7.9 ---------------------------------------------------------------

EXTENSIONS = (0, 43, 51, 60)


def randoms(h):
    """What of them is sent as it is: the data of options, and what authenticates."""
    out, at, proto, ext = [], 0, h["proto"], h.get("ext", b"")
    while at < len(ext):
        size = (ext[at + 1] + 2) * 4 if proto == 51 else (ext[at + 1] + 1) * 8
        if proto == 51:
            out.append((at + 8, at + size))
        elif proto in (0, 60):
            o = at + 2
            while o < at + size:
                if ext[o] == 0:
                    o += 1
                    continue
                if ext[o] != 1:
                    out.append((o + 2, o + 2 + ext[o + 1]))
                o += 2 + ext[o + 1]
        proto, at = ext[at], at + size
    return out


def random_octets(h):
    return b"".join(h["ext"][a:b] for a, b in randoms(h))


def without_randoms(h):
    ext = bytearray(h["ext"])
    for a, b in randoms(h):
        ext[a:b] = bytes(b - a)
    return dict(h, ext=bytes(ext))


def last_address(h):
    """Where a packet with a routing header of type 0 goes in the end."""
    at, proto, ext = 0, h["proto"], h.get("ext", b"")
    while at < len(ext):
        size = (ext[at + 1] + 2) * 4 if proto == 51 else (ext[at + 1] + 1) * 8
        if proto == 43 and ext[at + 3]:
            return ext[at + size - 16 : at + size]
        proto, at = ext[at], at + size
    return None


# --- headers, taken apart and put together ---------------------------------------------------------------------


class Packet:
    """A list of IP headers, perhaps UDP, perhaps RTP in front of `data`."""

    def __init__(self, octets, rtp=False):
        self.ips, self.udp, self.rtp = [], None, None
        at, proto = 0, 4
        while proto in (4, 41):
            if octets[at] >> 4 == 4:
                h = dict(v=4, tos=octets[at + 1], id=octets[at + 4 : at + 6], flags=octets[at + 6 : at + 8], ttl=octets[at + 8],
                         proto=octets[at + 9], src=octets[at + 12 : at + 16], dst=octets[at + 16 : at + 20])
                if octets[at] != 0x45:
                    raise Refused("options")
                at += 20
            else:
                h = dict(v=6, head=octets[at : at + 4], proto=octets[at + 6], ttl=octets[at + 7], src=octets[at + 8 : at + 24],
                         dst=octets[at + 24 : at + 40])
                at += 40
            self.ips.append(h)
            proto, h["ext"] = h["proto"], b""
            while h["v"] == 6 and proto in EXTENSIONS:
                size = (octets[at + 1] + 2) * 4 if proto == 51 else (octets[at + 1] + 1) * 8
                h["ext"] += octets[at : at + size]
                proto = octets[at]
                at += size
        if proto == 17:
            self.udp = dict(ports=octets[at : at + 4], sum=octets[at + 6 : at + 8])
            at += 8
        self.data = octets[at:]
        if rtp:
            self.take_rtp()

    def take_rtp(self):
        d = self.data
        if len(d) < 12 or len(d) < 12 + 4 * (d[0] & 15):
            raise Refused("no RTP header")
        cc = d[0] & 15
        self.rtp = dict(first=d[0] >> 4, m=d[1] >> 7, pt=d[1] & 127, seq=struct.unpack(">H", d[2:4])[0],
                        ts=struct.unpack(">I", d[4:8])[0], ssrc=d[8:12], csrc=d[12 : 12 + 4 * cc])
        self.data = d[12 + 4 * cc :]

    def rtp_octets(self):
        r = self.rtp
        return (bytes([r["first"] << 4 | len(r["csrc"]) // 4, r["m"] << 7 | r["pt"]]) + struct.pack(">HI", r["seq"], r["ts"]) + r["ssrc"]
                + r["csrc"])

    def udp_data(self):
        return (self.rtp_octets() if self.rtp else b"") + self.data

    def octets(self):
        out = self.udp_data()
        if self.udp:
            out = self.udp["ports"] + struct.pack(">H", 8 + len(out)) + self.udp["sum"] + out
        for h in reversed(self.ips):
            if h["v"] == 4:
                head = bytearray(bytes([0x45, h["tos"]]) + struct.pack(">H", 20 + len(out)) + h["id"] + h["flags"]
                                 + bytes([h["ttl"], h["proto"], 0, 0]) + h["src"] + h["dst"])
                head[10:12] = struct.pack(">H", 0xFFFF - ones(bytes(head)))
            else:
                head = h["head"] + struct.pack(">H", len(h["ext"]) + len(out)) + bytes([h["proto"], h["ttl"]]) + h["src"] + h["dst"] + h["ext"]
            out = bytes(head) + out
        return out

    def checksum(self, headers_only=False):
        data = self.udp_data()
        head = self.udp["ports"] + struct.pack(">H", 8 + len(data)) + b"\0\0"
        if headers_only:
            data = data[:12] + (data[12 : 12 + 4 * (data[0] & 15)] if len(data) >= 12 else b"")
        ip, last = self.ips[-1], last_address(self.ips[-1])
        return struct.pack(">H", udp_checksum(dict(ip, dst=last) if last else ip, head, data))

    def copy(self):
        p = Packet.__new__(Packet)
        p.ips, p.data = [dict(h) for h in self.ips], self.data
        p.udp, p.rtp = self.udp and dict(self.udp), self.rtp and dict(self.rtp)
        return p

    def proto(self):
        return IPV4 if self.ips[0]["v"] == 4 else IPV6


# --- RFC 2508, 3.3.4 -------------------------------------------------------------------------------------------


def delta(v):
    for low, high, base, add, octets in ((0, 127, 0, 0, 1), (-128, -1, 0x8000, 128, 2), (128, 16383, 0x8000, 0, 2),
                                         (-16384, -129, 0xC00000, 16384, 3), (16384, 4194303, 0xC00000, 0, 3)):
        if low <= v <= high:
            return (base + v + add).to_bytes(octets, "big")
    raise Refused("a difference that the table does not have")


class Reader:
    def __init__(self, octets):
        self.o, self.at = octets, 0

    def take(self, n):
        if self.at + n > len(self.o):
            raise Refused("short")
        self.at += n
        return self.o[self.at - n : self.at]

    def u8(self):
        return self.take(1)[0]

    def u16(self):
        return int.from_bytes(self.take(2), "big")

    def delta(self):
        a = self.u8()
        if a < 0x80:
            return a
        if a < 0xC0:
            v = (a & 63) << 8 | self.u8()
            return v - 128 if v < 128 else v
        v = (a & 63) << 16 | self.u16()
        return v - 16384 if v < 16384 else v

    def rest(self):
        return self.o[self.at :]


# --- decompressor ------------------------------------------------------------------------------------------------


class Decompressor:
    """A lossless link is assumed: any step of the sequence but one is an error, any checksum that fails too."""

    def __init__(self, enhanced, plain=False):
        self.enhanced, self.plain, self.contexts = enhanced, plain, {}

    def frame(self, proto, octets):
        if proto in (IPV4, IPV6):
            return proto, octets
        if proto == FULL_HEADER:
            p = self.full_header(octets)
        elif proto == NON_TCP:
            p = self.non_tcp(octets)
        else:
            r = Reader(octets)
            cid = r.u16() if proto in (UDP16, RTP16) else r.u8()
            if cid not in self.contexts:
                raise Refused("no context")
            p = self.rtp(self.contexts[cid], r) if proto in (RTP8, RTP16) else self.udp(self.contexts[cid], r)
        return p.proto(), p.octets()

    def full_header(self, octets):
        p = Packet(octets)
        # the two length fields, wherever they are
        at, fields = 0, []
        for h in p.ips:
            fields.append(octets[at + (2 if h["v"] == 4 else 4) :][:2])
            at += 20 if h["v"] == 4 else 40
        if p.udp:
            fields.append(octets[at + 4 : at + 6])
        first, second = fields[0], fields[1]
        if bool(first[0] & 0x40) == self.plain:
            raise Refused("a sequence in a full header of RFC 2507" if self.plain else "no sequence in a full header of CRTP")
        gen = first[0] & 63
        if first[0] & 0x80:
            cid, low = int.from_bytes(second, "big"), first[1]
        else:
            cid, low = first[1], second[1]
            if second[0]:
                raise Refused("octets that are to be zero")
        if low & 0xE0 or (low & 0x10 and not self.enhanced):
            raise Refused("bits that are to be zero")
        c = dict(gen=gen, seq=low & 15, hdr=bool(low & 0x10), di=1, dt=0, rtp=False)
        if c["hdr"]:
            if p.checksum(True) != p.udp["sum"]:
                raise Refused("HDRCKSUM of a full header")
            p.udp["sum"] = b"\0\0"
        elif p.udp["sum"] != b"\0\0" and p.checksum() != p.udp["sum"]:
            raise Refused("checksum of a full header")
        c["sum"] = c["hdr"] or p.udp["sum"] != b"\0\0"
        self.keep(c, p)
        self.contexts[cid] = c
        return p

    def keep(self, c, p):
        """The packet is the context's header now; with an RTP header if there may be one."""
        last = p.copy()
        try:
            if last.rtp is None:
                last.take_rtp()
        except Refused:
            pass
        last.data = b""
        c["last"] = last

    def advance(self, c, seq):
        if seq != (c["seq"] + 1) % 16:
            raise Refused(f"sequence {seq} after {c['seq']}")
        c["seq"] = seq

    def sums(self, c, p, r):
        given = r.take(2) if c["sum"] else b"\0\0"
        p.udp["sum"] = b"\0\0" if c["hdr"] else given
        for h in p.ips[:-1]:
            if h["v"] == 4:
                h["id"] = r.take(2)
        return given

    def check(self, c, p, given):
        if c["sum"] and p.checksum(c["hdr"]) != given:
            raise Refused("checksum")

    def step_id(self, c, p):
        h = p.ips[-1]
        if h["v"] == 4:
            h["id"] = struct.pack(">H", (int.from_bytes(h["id"], "big") + c["di"]) & 0xFFFF)

    def rtp(self, c, r):
        flags = r.u8()
        self.advance(c, flags & 15)
        p = c["last"].copy()
        if p.rtp is None:
            raise Refused("COMPRESSED_RTP without RTP")
        given = self.sums(c, p, r)
        msti, cc = flags >> 4, None
        if msti == 15:
            b = r.u8()
            msti, cc = b >> 4, b & 15
        if msti & 1:
            if p.ips[-1]["v"] != 4:
                raise Refused("I without an IPv4 header")
            c["di"] = r.delta()
        ds = r.delta() if msti & 4 else 1
        if msti & 2:
            c["dt"] = r.delta()
        if cc is not None:
            p.rtp["csrc"] = r.take(4 * cc)
        p.rtp["m"] = msti >> 3
        p.rtp["seq"] = (p.rtp["seq"] + ds) & 0xFFFF
        p.rtp["ts"] = (p.rtp["ts"] + c["dt"]) & 0xFFFFFFFF
        self.step_id(c, p)
        p.data = r.rest()
        self.check(c, p, given)
        self.keep(c, p)
        return p

    def udp(self, c, r):
        flags = r.u8()
        f = flags & 0x80 if self.enhanced else 0
        more, cc = 0, None
        if f:
            more = r.u8()
            if more & 8:
                cc = r.u8() & 15
        elif not self.enhanced and flags & 0xE0:
            raise Refused("M, S and T are always 0")
        self.advance(c, flags & 15)
        p = c["last"].copy()
        given = self.sums(c, p, r)
        v4 = p.ips[-1]["v"] == 4
        if not v4 and flags & 0x50 & (0x50 if self.enhanced else 0x10):
            raise Refused("an ID with IPv6")
        if flags & 0x10:
            c["di"] = r.delta()
        if self.enhanced and flags & 0x20:
            c["dt"] = r.delta()
        elif not f:
            c["dt"] = 0
        self.step_id(c, p)
        if self.enhanced and flags & 0x40:
            p.ips[-1]["id"] = r.take(2)
        if not f:
            p.rtp, p.data = None, r.rest()
        else:
            self.selected(c, p, r, more, cc)
        self.check(c, p, given)
        self.keep(c, p)
        return p

    def selected(self, c, p, r, more, cc):
        t = p.rtp
        if t is None:
            raise Refused("F=1 without RTP")
        t["seq"] = r.u16() if more & 0x40 else (t["seq"] + 1) & 0xFFFF
        t["ts"] = int.from_bytes(r.take(4), "big") if more & 0x20 else (t["ts"] + c["dt"]) & 0xFFFFFFFF
        if more & 0x10:
            t["pt"] = r.u8() & 127
        t["m"] = more >> 7
        if cc is not None:
            t["csrc"] = r.take(4 * cc)
        p.data = r.rest()

    def non_tcp(self, octets):
        r = Reader(octets)
        cid, flags = r.u8(), r.u8()
        if flags & 0x80:
            cid = cid << 8 | r.u8()
        c = self.contexts.get(cid)
        if c is None or c["gen"] != flags & 63:
            raise Refused("another generation")
        if bool(flags & 0x40) == self.plain:
            raise Refused("the D bit of COMPRESSED_NON_TCP")
        c["seq"] = 0 if self.plain else r.u8()
        p = c["last"].copy()
        p.rtp = None
        for h in p.ips:
            if h["v"] == 4:
                h["id"] = r.take(2)
        p.udp["sum"] = r.take(2) if c["sum"] and not c["hdr"] else b"\0\0"
        p.data = r.rest()
        if p.udp["sum"] != b"\0\0" and p.checksum() != p.udp["sum"]:
            raise Refused("checksum of COMPRESSED_NON_TCP")
        c["di"], c["dt"] = 1, 0
        self.keep(c, p)
        return p


# --- compressor --------------------------------------------------------------------------------------------------


class Compressor:
    """A context for each flow, by addresses and ports; what is said of a packet is drawn by lot from what may be said."""

    def __init__(self, enhanced, wide, seed=1, n=2, plain=False):
        self.enhanced, self.wide, self.n, self.plain = enhanced, wide, n, plain  # plain: RFC 2507, no sequence, no RTP
        self.lot = random.Random(seed)
        self.contexts, self.flows = {}, {}

    def cid(self, wide=None):
        return struct.pack(">H", self.now) if (self.wide if wide is None else wide) else bytes([self.now])

    def packet(self, octets):
        p = Packet(octets)
        if p.udp is None:
            return p.proto(), octets
        try:
            p.take_rtp()
            if p.rtp["first"] >> 2 != 2:
                raise Refused("version")
        except Refused:
            p = Packet(octets)
        if len(octets) - len(p.data) > MAX_HEADER:
            return p.proto(), octets
        key = tuple((h["src"], h["dst"]) for h in p.ips) + (p.udp["ports"],)
        self.now = self.flows.setdefault(key, len(self.flows))
        c = self.contexts.get(self.now)
        if c is None or c["full"] > 0 or self.must_be_full(c, p) or self.lot.random() < 0.01:
            return self.full_header(c, p)
        c["seq"] = (c["seq"] + 1) % 16
        proto, out = self.say(c, p)
        c["last"] = p.copy()
        return proto, out

    def constants(self, p):
        return [{k: v for k, v in without_randoms(h).items() if k != "id"} for h in p.ips] + [p.udp["sum"] == b"\0\0"]

    def must_be_full(self, c, p):
        return self.constants(c["last"]) != self.constants(p)

    def full_header(self, c, p):
        new = c is None or c["full"] == 0
        c = c or dict(gen=0, seq=15, full=0)
        if new:
            c["gen"] = (c["gen"] + 1) % 64
            c["full"] = self.n + 1 if self.enhanced else 1
        c["full"] -= 1
        c["seq"] = (c["seq"] + 1) % 16
        zero = p.udp["sum"] == b"\0\0"
        if new:
            c["hdr"] = self.enhanced and zero and p.ips[-1]["v"] == 4 and self.lot.random() < 0.8
        c.update(di=1, dt=0, last=p.copy())
        self.contexts[self.now] = c
        out = bytearray(p.octets())
        places, at = [], 0
        for h in p.ips:
            places.append(at + (2 if h["v"] == 4 else 4))
            at += 20 if h["v"] == 4 else 40 + len(h["ext"])
        places.append(at + 4)
        if c["hdr"]:
            out[at + 6 : at + 8] = p.checksum(True)
        low, d = c["seq"] | (0x10 if c["hdr"] else 0), 0x40
        if self.plain:
            low = d = 0
        if self.wide:
            out[places[0] : places[0] + 2] = bytes([0x80 | d | c["gen"], low])
            out[places[1] : places[1] + 2] = struct.pack(">H", self.now)
        else:
            out[places[0] : places[0] + 2] = bytes([d | c["gen"], self.now])
            out[places[1] : places[1] + 2] = bytes([0, low])
        return FULL_HEADER, bytes(out)

    def middle(self, c, p):
        """Checksum and RANDOM fields."""
        out = p.checksum(True) if c["hdr"] else b"" if p.udp["sum"] == b"\0\0" else p.udp["sum"]
        return out + b"".join(h["id"] if h["v"] == 4 else random_octets(h) for h in p.ips if h["v"] == 6 or h is not p.ips[-1])

    def say(self, c, p):
        old = c["last"]
        if self.plain:
            return self.non_tcp(c, p)
        ways = [self.udp_whole]
        if not c["hdr"]:
            ways.append(self.non_tcp)
        if p.rtp and old.rtp and p.rtp["ssrc"] == old.rtp["ssrc"] and p.rtp["first"] == old.rtp["first"]:
            if p.rtp["pt"] == old.rtp["pt"]:
                ways += [self.rtp] * 4
            if self.enhanced:
                ways += [self.udp_selected] * 3
        self.lot.shuffle(ways)
        for way in ways:
            said = way(c, p)
            if said:
                return said
        raise AssertionError("nothing to say")

    def id_step(self, c, p):
        a, b = (int.from_bytes(x.ips[-1].get("id", b""), "big") for x in (c["last"], p))
        return (b - a) & 0xFFFF

    def chance(self):
        return self.lot.random() < 0.25

    def rtp(self, c, p):
        old, r = c["last"].rtp, p.rtp
        v4 = p.ips[-1]["v"] == 4
        ds = (r["seq"] - old["seq"]) & 0xFFFF
        dt = (r["ts"] - old["ts"] + 2**31) % 2**32 - 2**31
        i = v4 and (self.id_step(c, p) != c["di"] or self.chance())
        s = ds != 1 or self.chance()
        t = dt != c["dt"] or self.chance()
        listed = r["csrc"] != old["csrc"] or self.chance()
        if t and not -16384 <= dt <= 4194303:
            return None
        bits = r["m"] << 3 | s << 2 | t << 1 | i
        out = self.cid() + bytes([(15 if bits == 15 or listed else bits) << 4 | c["seq"]]) + self.middle(c, p)
        if bits == 15 or listed:
            out += bytes([bits << 4 | len(r["csrc"]) // 4])
        if i:
            c["di"] = self.id_step(c, p)
            out += delta(c["di"])
        if s:
            out += delta(ds)
        if t:
            c["dt"] = dt
            out += delta(dt)
        if bits == 15 or listed:
            out += r["csrc"]
        return (RTP16 if self.wide else RTP8), out + p.data

    def udp_whole(self, c, p):
        v4 = p.ips[-1]["v"] == 4
        step = self.id_step(c, p)
        absolute = self.enhanced and v4 and self.lot.random() < 0.5
        di = v4 and ((step != c["di"] and not absolute) or self.chance())
        dt = self.enhanced and self.chance()
        flags = (absolute and 0x40) | (dt and 0x20) | (di and 0x10) | c["seq"]
        out = self.cid() + bytes([flags]) + self.middle(c, p)
        c["dt"] = 0
        if di:
            c["di"] = step
            out += delta(step)
        if dt:
            c["dt"] = self.lot.choice((0, 160, 3000, -160))
            out += delta(c["dt"])
        if absolute:
            out += p.ips[-1]["id"]
        return (UDP16 if self.wide else UDP8), out + p.udp_data()

    def udp_selected(self, c, p):
        old, r = c["last"].rtp, p.rtp
        v4 = p.ips[-1]["v"] == 4
        step = self.id_step(c, p)
        dt = (r["ts"] - old["ts"] + 2**31) % 2**32 - 2**31
        absolute = v4 and self.lot.random() < 0.5
        di = v4 and ((step != c["di"] and not absolute) or self.chance())
        t = self.lot.random() < 0.4
        new_dt = dt if (not t and dt != c["dt"]) or self.chance() else None
        if new_dt is not None and not -16384 <= new_dt <= 4194303:
            t, new_dt = True, None
        s = r["seq"] != (old["seq"] + 1) & 0xFFFF or self.chance()
        typed = r["pt"] != old["pt"] or self.chance()
        listed = bool(r["csrc"]) or r["csrc"] != old["csrc"] or self.chance()
        out = self.cid() + bytes([0x80 | (absolute and 0x40) | (0x20 if new_dt is not None else 0) | (di and 0x10) | c["seq"],
                                  r["m"] << 7 | s << 6 | t << 5 | typed << 4 | listed << 3])
        if listed:
            out += bytes([len(r["csrc"]) // 4])
        out += self.middle(c, p)
        if di:
            c["di"] = step
            out += delta(step)
        if new_dt is not None:
            c["dt"] = new_dt
            out += delta(new_dt)
        if absolute:
            out += p.ips[-1]["id"]
        if s:
            out += struct.pack(">H", r["seq"])
        if t:
            out += struct.pack(">I", r["ts"])
        if typed:
            out += bytes([r["pt"]])
        if listed:
            out += r["csrc"]
        return (UDP16 if self.wide else UDP8), out + p.data

    def non_tcp(self, c, p):
        wide = self.wide or self.chance()  # the two sizes name one context, RFC 2507, 5.1
        cid = self.cid(wide)
        d = b"" if self.plain else bytes([c["seq"]])
        out = cid[:1] + bytes([(0x80 if wide else 0) | (0x40 if d else 0) | c["gen"]]) + cid[1:] + d
        out += b"".join(h["id"] if h["v"] == 4 else random_octets(h) for h in p.ips)
        out += b"" if p.udp["sum"] == b"\0\0" else p.udp["sum"]
        c["di"], c["dt"] = 1, 0
        return NON_TCP, out + p.udp_data()
