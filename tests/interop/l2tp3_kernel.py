#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""In a User Mode Linux guest: a control connection of L2TPv3 (l2tp3wire.py) whose session is the kernel's own.

    l2tp3_kernel.py US NODE SECRET PPPD-OPTION...     runs until it is killed, or told to end

The UDP socket of the control connection becomes the kernel's tunnel; a PPPoX socket becomes its session, and pppd's channel.
"""

import ctypes
import os
import socket
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path[:0] = [os.path.dirname(os.path.abspath(__file__))]
from l2tp3wire import *  # noqa: E402,F403

AF_PPPOX, PX_PROTO_OL2TP = 24, 1


class Here:
    @staticmethod
    def socket(*kind):
        return socket.socket(*kind)


def pppox(p, local, remote):
    """A tunnel's socket (ids 0) or a session's: struct sockaddr_pppol2tpv3, packed (linux/if_pppox.h, linux/if_pppol2tp.h)."""
    s = socket.socket(AF_PPPOX, socket.SOCK_DGRAM, PX_PROTO_OL2TP)
    sin = struct.pack("=H", socket.AF_INET) + u16(1701) + socket.inet_aton(p.node) + bytes(8)
    addr = struct.pack("=HIii", AF_PPPOX, PX_PROTO_OL2TP, 0, p.sock.fileno()) + sin + struct.pack("=IIII", p.id, local, p.cid, remote)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.connect(s.fileno(), addr, len(addr)):
        raise OSError(ctypes.get_errno(), "PPPoX socket of L2TPv3")
    return s


def main():
    Peer.space, Peer.us, Peer.node = Here, sys.argv[1], sys.argv[2]
    p = Peer("kernel", secret=sys.argv[3].encode() if sys.argv[3] else None)
    p.sock.connect((p.node, 1701))
    if p.up() is None:
        sys.exit("no control connection")
    m = p.icrq(0x01020304)
    if m is None or len(get(m, 65) or b""):
        sys.exit("no session, or one with a cookie")
    p.remote = struct.unpack("!I", get(m, 63))[0]
    tunnel = pppox(p, 0, 0)
    session = pppox(p, 0x01020304, p.remote)
    os.set_inheritable(session.fileno(), True)
    p.iccn(0x01020304)
    pppd = subprocess.Popen(["pppd", "plugin", "pppol2tp.so", "pppol2tp", str(session.fileno()), "nodetach", *sys.argv[4:]], close_fds=False)
    print("l2tpv3: up", flush=True)
    while pppd.poll() is None and p.wait(STOPCCN, 1) is None:
        pass
    print(f"l2tpv3: over, {p.bad}", flush=True)
    tunnel.close()


if __name__ == "__main__":
    main()
