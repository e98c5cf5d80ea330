#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""bench_trunk --plot | plot.py > docs/operations/trunk-saving.svg: what a trunk saves, against calls and T."""

import math
import sys

NATIVE = 24.0  # kbit/s of a G.729 call, 20 ms, without any tunnel
W, H, LEFT, RIGHT, TOP, BOTTOM = 760, 460, 62, 150, 44, 52
COLOURS = ["#b2182b", "#e08214", "#1b7837", "#2166ac", "#762a83"]
LOW, HIGH = -10, 60


def x_of(calls):
    return LEFT + (W - LEFT - RIGHT) * math.log10(calls) / 3


def y_of(percent):
    return TOP + (H - TOP - BOTTOM) * (HIGH - percent) / (HIGH - LOW)


def text(x, y, what, anchor="middle", more=""):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" {more}>{what}</text>'


def grid():
    for p in range(LOW, HIGH + 1, 10):
        yield (f'<line x1="{LEFT}" y1="{y_of(p):.1f}" x2="{W - RIGHT}" y2="{y_of(p):.1f}" '
               f'stroke="{"#444" if p == 0 else "#ddd"}"/>')
        yield text(LEFT - 8, y_of(p) + 4, f"{p} %", "end")
    for c in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000):
        yield f'<line x1="{x_of(c):.1f}" y1="{TOP}" x2="{x_of(c):.1f}" y2="{H - BOTTOM}" stroke="#eee"/>'
        yield text(x_of(c), H - BOTTOM + 18, c)


def curves(points):
    for colour, (us, line) in zip(COLOURS, sorted(points.items())):
        at = [(x_of(c), y_of(max(LOW, 100 * (1 - k / NATIVE)))) for c, k in sorted(line)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for i, (colour, us) in enumerate(zip(COLOURS[len(points) - 1::-1], sorted(points, reverse=True))):
        y = TOP + 24 + 20 * i
        yield f'<line x1="{W - RIGHT + 14}" y1="{y - 4}" x2="{W - RIGHT + 38}" y2="{y - 4}" stroke="{colour}" stroke-width="2"/>'
        yield text(W - RIGHT + 46, y, f"T = {us // 1000} ms", "start")


def main():
    points = {}
    for line in sys.stdin:
        w = line.split()
        if len(w) == 4 and w[0] == "plot":
            points.setdefault(int(w[2]), []).append((int(w[1]), float(w[3])))
    if not points or len(points) > len(COLOURS):
        sys.exit(__doc__)
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {W} {H}" font-family="sans-serif" font-size="13">')
    print(f'<rect width="{W}" height="{H}" fill="white"/>')
    print(text((LEFT + W - RIGHT) / 2, 22, "Saved of 24 kbit/s a call: G.729, 20 ms, over L2TPv2, UDP and IPv4", more='font-size="15"'))
    print("\n".join(grid()))
    print("\n".join(curves(points)))
    print(text((LEFT + W - RIGHT) / 2, H - 12, "calls in the trunk"))
    print("</svg>")


main()
