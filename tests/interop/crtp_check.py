#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""crtp_check.py TOOL DIRECTORY: our header compression against crtp_peer.py, real captures, and tshark.

Each stream goes through our compressor and the other decompressor, and through the other compressor and ours; what comes
out must be what went in, octet for octet.  Frames of ours are then shown to tshark.
"""

import glob
import os
import random
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import crtp_peer as peer

TOOL, TMP = sys.argv[1], sys.argv[2]
failed = 0


def fail(text):
    global failed
    failed += 1
    print(f"FAILED: {text}")


# --- streams: lists of (milliseconds, packet) -------------------------------------------------------------------


def udp_packet(v6, src, ports, data, ident=0, ttl=64, tos=0xB8, checksum=True, outer=None, extended=None):
    udp = struct.pack(">HHHH", *ports, 8 + len(data), 0) + data
    ips = []
    if v6:
        proto, ext = extended or (17, b"")
        ips.append(dict(v=6, ext=ext, head=bytes([0x60 | tos >> 4, (tos & 15) << 4, 0, 7]), proto=proto, ttl=ttl, src=bytes.fromhex("20010db8") + bytes(11) + bytes([src]),
                        dst=bytes.fromhex("20010db8") + bytes(11) + b"\xfe"))
    else:
        ips.append(dict(v=4, ext=b"", tos=tos, id=struct.pack(">H", ident & 0xFFFF), flags=b"\x40\0", ttl=ttl, proto=17, src=bytes([10, 0, 0, src]),
                        dst=bytes([10, 0, 1, 1])))
    if outer is not None:
        ips.insert(0, dict(v=4, ext=b"", tos=0, id=struct.pack(">H", outer & 0xFFFF), flags=b"\0\0", ttl=9, proto=41 if v6 else 4, src=b"\xc0\0\2\1", dst=b"\xc0\0\2\2"))
    p = peer.Packet.__new__(peer.Packet)
    p.ips, p.rtp, p.udp, p.data = ips, None, dict(ports=udp[:4], sum=b"\0\0"), data
    if checksum or v6:
        p.udp["sum"] = p.checksum()
    return p.octets()


def extensions(kind, lot):
    """(protocol, octets) of extension headers in front of UDP, of one kind: what may change in them is drawn by lot."""
    hop = lambda n: bytes([n, 0, 5, 2, 0, 0, 1, 0])  # router alert, PadN
    dest = lambda n: bytes([n, 2, 0x1E, 9]) + lot.randbytes(9) + bytes([0, 0x3E, 4]) + lot.randbytes(4) + bytes([1, 2, 0, 0])
    routing = lambda n, left: bytes([n, 4, 0, left]) + bytes(4) + bytes.fromhex("20010db8") + bytes(11) + b"\7" + bytes.fromhex("20010db8") + bytes(11) + b"\x09"
    auth = lambda n: bytes([n, 4, 0, 0, 1, 2, 3, 4]) + lot.randbytes(16)
    return ((0, hop(17)), (60, dest(17)), (43, routing(17, 1)), (43, routing(17, 0)), (51, auth(17)),
            (0, hop(60) + dest(51) + auth(17)))[kind]


def stream(seed, packets, v6=False, outer=False, checksum=True, rtp=True, wild=True, extended=False):
    """Some flows of one kind, doing what RTP flows do."""
    lot = random.Random(seed)
    flows = [dict(seq=lot.randrange(65536), ts=lot.randrange(2**32), id=lot.randrange(65536), ssrc=lot.randbytes(4), first=8, pt=18, csrc=b"", step=160,
                  ttl=64, outer=lot.randrange(65536), src=i + 1) for i in range(6)]
    out = []
    for n in range(packets):
        f = flows[n % len(flows)]
        f["seq"] += 1
        f["ts"] += f["step"]
        f["id"] += lot.randrange(1, 400) if f["src"] == 2 else 1
        f["outer"] += lot.randrange(1, 9)
        if wild:
            x = lot.random()
            if x < 0.01:
                f["ts"] += lot.choice((1000, 100000, 5000000, -300, -9000000))
            elif x < 0.02:
                gap = lot.randrange(1, 5)
                f["seq"] += gap
                f["ts"] += gap * f["step"]
                f["id"] += gap
            elif x < 0.025:
                f["pt"] = lot.randrange(64)
            elif x < 0.03:
                f["csrc"] = lot.randbytes(4 * lot.choice((0, 1, 2, 15)))
            elif x < 0.035:
                f["first"] ^= lot.choice((1, 2))
            elif x < 0.04:
                f["ttl"] ^= 3
            elif x < 0.045:
                f["step"] = lot.choice((0, 80, 160, 3000))
            elif x < 0.05:
                f["seq"] += 3000
        data = lot.randbytes(lot.choice((20, 20, 20, 33, 1, 0)))
        if rtp:
            data = (struct.pack(">BBHI", f["first"] << 4 | len(f["csrc"]) // 4, (lot.random() < 0.02) << 7 | f["pt"], f["seq"] & 0xFFFF, f["ts"] & 0xFFFFFFFF)
                    + f["ssrc"] + f["csrc"] + data)
        out.append((n * 3, udp_packet(v6, f["src"], (5000 + f["src"], 6000), data, f["id"], f["ttl"], checksum=checksum, outer=f["outer"] if outer else None,
                                     extended=extensions(f["src"] - 1, lot) if extended else None)))
    return out


def capture(path):
    """IPv4 and IPv6 packets of a classic pcap file, Ethernet or raw, as they were sent."""
    b = open(path, "rb").read()
    order = "<" if b[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    link = struct.unpack(order + "I", b[20:24])[0]
    at, out = 24, []
    while at + 16 <= len(b):
        sec, frac, caught, _ = struct.unpack(order + "4I", b[at : at + 16])
        frame = b[at + 16 : at + 16 + caught]
        at += 16 + caught
        skip = {1: 14, 113: 16, 12: 0, 101: 0}.get(link)
        if skip is None:
            raise SystemExit(f"{path}: link type {link}")
        if link == 1 and frame[12:14] == b"\x81\x00":
            skip = 18
        ip = frame[skip:]
        if ip and ip[0] >> 4 == 4:
            ip = ip[: struct.unpack(">H", ip[2:4])[0]]
        out.append((sec * 1000 + frac // 1000, ip))
    return out


# --- there and back ----------------------------------------------------------------------------------------------


def tool(how, lines, options):
    text = "".join(f"{ms} {proto:x} {octets.hex()}\n" for ms, proto, octets in lines)
    r = subprocess.run([TOOL, how, *options], input=text, capture_output=True, text=True, timeout=100)
    if r.returncode:
        raise SystemExit(f"{TOOL} {how}: exit {r.returncode}: {r.stderr}")
    return [l.split(" ") for l in r.stdout.splitlines()]


def proto_of(packet):
    return peer.IPV4 if packet[0] >> 4 == 4 else peer.IPV6


class SlowStart:
    """RFC 2507, 3.3.1 to 3.3.3 of a stream that is not RTP: how many COMPRESSED_NON_TCP may follow a full header, how long."""

    F_MAX_PERIOD, F_MAX_TIME = 256, 5000

    def __init__(self):
        self.contexts = {}

    def frame(self, ms, proto, o):
        if proto == peer.FULL_HEADER:
            at = 2 if o[0] >> 4 == 4 else 4
            udp = 24 if o[0] >> 4 == 4 else 44
            cid, gen = int.from_bytes(o[udp : udp + 2], "big") if o[at] >> 7 else o[at + 1], o[at] & 63
            old = self.contexts.get(cid)
            again = old and old[0] == gen
            if again and old[2] < old[1] and ms - old[3] < self.F_MAX_TIME - 2:
                return f"a full header after {old[2]} of {old[1]}, {ms - old[3]} ms"
            grown = again and old[2] >= old[1]
            self.contexts[cid] = [gen, min(2 * old[1], self.F_MAX_PERIOD) if grown else old[1] if again else 1, 0, ms]
        elif proto == peer.NON_TCP:
            c = self.contexts[o[0] << 8 | o[2] if o[1] >> 7 else o[0]]
            c[2] += 1
            if c[2] > c[1] or ms - c[3] > self.F_MAX_TIME:
                return f"{c[2]} compressed headers after a full one, {c[1]} may be, {ms - c[3]} ms"
        return None


def ours_to_theirs(name, packets, enhanced, options):
    """The forms that were used, by number."""
    slow = SlowStart() if "--plain" in options else None
    said = tool("compress", [(ms, proto_of(p), p) for ms, p in packets], options)
    frames = [(int(p, 16), bytes.fromhex(h)) for p, h in said]
    other, used = peer.Decompressor(enhanced, "--plain" in options), {}
    if len(frames) != len(packets):
        fail(f"{name}: {len(frames)} frames for {len(packets)} packets")
    for n, ((ms, packet), (proto, octets)) in enumerate(zip(packets, frames)):
        used[proto] = used.get(proto, 0) + 1
        if slow and (why := slow.frame(ms, proto, octets)):
            fail(f"{name}: frame {n}: {why}")
            return used, frames
        try:
            out = other.frame(proto, octets)
        except peer.Refused as e:
            fail(f"{name}: frame {n} {proto:04x} {octets[:60].hex()}: {e}")
            return used, frames
        if out != (proto_of(packet), packet):
            fail(f"{name}: frame {n} {proto:04x} {octets[:60].hex()}: {out[1].hex()} instead of {packet.hex()}")
            return used, frames
    return used, frames


def theirs_to_ours(name, packets, enhanced, wide, options, seed):
    other, used = peer.Compressor(enhanced, wide, seed, plain="--plain" in options), {}
    frames = []
    for ms, p in packets:
        frames.append((ms, *other.packet(p)))
        used[frames[-1][1]] = used.get(frames[-1][1], 0) + 1
    said = [l for l in tool("decompress", frames, options) if l[0] != "state"]
    for n, ((_, packet), line) in enumerate(zip(packets, said)):
        if line[0] == "drop" or (int(line[0], 16), bytes.fromhex(line[1])) != (proto_of(packet), packet):
            fail(f"{name}: frame {n} {frames[n][1]:04x} {frames[n][2][:60].hex()}: {' '.join(line)} instead of {packet.hex()}")
            break
    return used


def both_ways(name, packets, seed):
    for rfc in (3545, 2508, 2507):
        for wide in (False, True):
            enhanced = rfc == 3545
            options = ["--space", "300" if wide else "15"] + {3545: [], 2508: ["--classic"], 2507: ["--plain"]}[rfc]
            what = f"{name}, RFC {rfc}, {16 if wide else 8}-bit CIDs"
            a, _ = ours_to_theirs(what + ", ours to theirs", packets, enhanced, options)
            b = theirs_to_ours(what + ", theirs to ours", packets, enhanced, wide, options, seed)
            text = ["  ".join(f"{k:04x} {v}" for k, v in sorted(u.items())) for u in (a, b)]
            print(f"{what}: {len(packets)} packets;  ours {text[0]};  theirs {text[1]}")


# --- tshark --------------------------------------------------------------------------------------------------------


def pcap(path, frames):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 9))  # LINKTYPE_PPP
        for n, (proto, octets) in enumerate(frames):
            frame = b"\xff\x03" + struct.pack(">H", proto) + octets
            f.write(struct.pack("<IIII", n // 50, n % 50 * 20000, len(frame), len(frame)) + frame)


def expect_tshark(name, frames, fields, want):
    """want(frame) gives the values of `fields`; None: tshark 4.0 does not know this form."""
    path = os.path.join(TMP, "frames.pcap")
    pcap(path, frames)
    r = subprocess.run(["tshark", "-n", "-r", path, "-T", "fields", "-e", "_ws.malformed", "-e", "_ws.expert.message"] +
                       [x for f in fields for x in ("-e", f)], capture_output=True, text=True, timeout=100)
    lines = r.stdout.splitlines()
    if r.returncode or len(lines) != len(frames):
        fail(f"tshark over {name}: exit {r.returncode}, {len(lines)} lines: {r.stderr[-300:]}")
        return
    seen = 0
    for (proto, octets), line in zip(frames, lines):
        expected = want(proto, octets)
        if expected is None:
            continue
        got = line.split("\t")
        if got[0] or got[1] or [int(x, 0) if x else -1 for x in got[2:]] != expected:
            fail(f"tshark over {name}: {proto:04x} {octets[:50].hex()}: {got} instead of {expected}")
            return
        seen += 1
    print(f"tshark agrees about {seen} frames of {name}")


def full_fields(proto, o):
    if proto != peer.FULL_HEADER or o[0] >> 4 == 6:  # tshark 4.0: "the only supported version is 4"
        return None
    at = 2 if o[0] >> 4 == 4 else 4
    udp = 24 if o[0] >> 4 == 4 else 44
    wide = o[at] >> 7
    cid = int.from_bytes(o[udp : udp + 2], "big") if wide else o[at + 1]
    return [cid, o[at] & 63, (o[at + 1] if wide else o[udp + 1]) & 15]


def non_tcp_fields(proto, o):
    if proto != peer.NON_TCP:
        return None
    wide = o[1] >> 7
    return [o[0] << 8 | o[2] if wide else o[0], o[1] & 63, o[2 + wide] & 15]


def udp_fields(proto, o):
    if proto not in (peer.UDP8, peer.UDP16):
        return None
    wide = proto == peer.UDP16
    return [int.from_bytes(o[: 1 + wide], "big"), o[1 + wide] & 15]


def state_fields(proto, o):
    return [o[1]]


def shown_to_tshark():
    rtp = stream(5, 1200)
    mixed = stream(6, 300, rtp=False) + stream(7, 300, v6=True, rtp=False)
    for space in ("15", "300"):
        classic = ["--space", space, "--classic", "--period", "9"]
        for options in (classic, ["--space", space]):
            _, frames = ours_to_theirs("for tshark", rtp + mixed, options[-1] != "9", options)
            name = " ".join(options)
            expect_tshark("FULL_HEADER " + name, frames, ["crtp.cid", "crtp.gen", "crtp.seq"],
                          full_fields)
            expect_tshark("COMPRESSED_NON_TCP " + name, frames, ["crtp.cid", "crtp.gen", "crtp.seq"], non_tcp_fields)
            expect_tshark("COMPRESSED_UDP " + name, frames, ["crtp.cid", "crtp.seq"], udp_fields)
        # a decompressor that missed the full headers asks
        said = tool("decompress", [(n * 30, *f) for n, f in enumerate(frames[20:400])], options)
        states = [(peer.CONTEXT_STATE, bytes.fromhex(l[1])) for l in said if l[0] == "state"]
        if not states:
            fail("no CONTEXT_STATE was said")
        expect_tshark(f"CONTEXT_STATE {space}", states, ["crtp.cnt"], state_fields)


# --- CONTEXT_STATE -------------------------------------------------------------------------------------------------


def state(wide, *blocks):
    return bytes([2 if wide else 1, len(blocks)]) + b"".join(
        cid.to_bytes(2 if wide else 1, "big") + bytes([(0x80 if bad else 0) | seq, gen]) for cid, bad, seq, gen in blocks)


def asked():
    """Our compressor hears what RFC 2508, 3.3.5 can say: N + 1 full headers of a new generation answer it, once."""
    calm = [p for p in stream(21, 600, wild=False) if p[1][15] == 1]  # one flow
    for wide in (False, True):
        for said, n in (((0, True, 3, 1), 3), ((0, False, 3, 1), 0), ((0, False, 3, 9), 3), ((7, True, 3, 1), 0), ((0, True, 3, 63), 3)):
            lines = []
            for i, (ms, p) in enumerate(calm[:40]):
                lines.append((1000 * (i >= 10) + ms, proto_of(p), p))
                if i in (19, 20):  # and repeated: it may have crossed the answer
                    lines.append((1000 + ms + 1, peer.CONTEXT_STATE, state(wide, said)))
            for broken in (b"", b"\1", b"\1\2\0", b"\3\1\0", b"\4\1\0\0\0"):
                lines.append((1000 + ms, peer.CONTEXT_STATE, broken))
            out = tool("compress", lines, ["--space", "300" if wide else "15"])
            full = [i for i, (proto, _) in enumerate(out) if int(proto, 16) == peer.FULL_HEADER]
            if full != [0, 1, 2] + list(range(20, 20 + n)):
                fail(f"CONTEXT_STATE {said}, {'16' if wide else '8'} bits: full headers are packets {full}")
            gens = {bytes.fromhex(out[i][1])[2] & 63 for i in full}
            if len(gens) != (2 if n else 1):
                fail(f"CONTEXT_STATE {said}: generations {gens}")
    print("CONTEXT_STATE is answered by N + 1 full headers of a new generation, once")


def asking():
    """Our decompressor after too many losses: what it says, how often, how fast (RFC 2508, 3.3.5; RFC 3545, 2.3)."""
    calm = [p for p in stream(22, 1800, wild=False) if p[1][15] == 1]
    for wide in (False, True):
        other = peer.Compressor(True, wide, 5)
        other.lot.random = lambda: 0.9  # one full header series, COMPRESSED_RTP
        frames = [(20 * i, *other.packet(p)) for i, (_, p) in enumerate(calm)]
        lost = frames[:50] + frames[57:]
        last = other.contexts[0]["gen"]
        said, at = [], 0
        for line in tool("decompress", lost, ["--space", "300" if wide else "15"]):
            if line[0] == "state":
                said.append((lost[at - 1][0], bytes.fromhex(line[1])))
            else:
                at += 1
        if not said:
            fail("nothing was asked for after seven losses")
            continue
        first = said[0][1]
        want = state(wide, (0, True, frames[49][2][1 + wide] & 15, last))
        if first != want or any(s != first for _, s in said):
            fail(f"CONTEXT_STATEs {[s.hex() for _, s in said][:4]} instead of {want.hex()}")
        times = [t for t, _ in said]
        per_second = len([t for t in times if t < times[0] + 1000])
        if len(times) < 3 or per_second > 3 * 10:
            fail(f"{per_second} CONTEXT_STATEs in a second: {times[:9]}")
        print(f"after seven losses: CONTEXT_STATE {first.hex()}, {per_second} times in the first second")


def main():
    count = 3000
    asked()
    asking()
    both_ways("RTP over IPv4", stream(1, count), 1)
    both_ways("RTP over IPv4 without checksum", stream(2, count, checksum=False), 2)
    both_ways("RTP over IPv6", stream(3, count, v6=True), 3)
    both_ways("RTP in IPv4 in IPv4", stream(4, count, outer=True), 4)
    both_ways("RTP in IPv6 in IPv4", stream(5, count, v6=True, outer=True), 5)
    both_ways("RTP over IPv6 with extension headers", stream(8, count, v6=True, extended=True), 9)
    both_ways("RTP in IPv6 with extension headers in IPv4", stream(9, count, v6=True, outer=True, extended=True), 10)
    both_ways("UDP over IPv6 with extension headers", stream(10, count, v6=True, rtp=False, extended=True), 11)
    both_ways("UDP over IPv4", stream(6, count, rtp=False), 6)
    both_ways("UDP over IPv6", stream(7, count, v6=True, rtp=False), 7)
    files = sorted(glob.glob("/usr/share/sip-tester/*.pcap"))
    if not files:
        fail("no captures: package sip-tester is not installed")
    for f in files:
        both_ways(os.path.basename(f), capture(f), 8)
    shown_to_tshark()
    return 1 if failed else 0


sys.exit(main())
