# SPDX-License-Identifier: Apache-2.0
"""How fast the simulator is (docs/sim.md): seeds a minute on all processors, simulated seconds a second."""

import os
import re
import subprocess

import __main__ as R
import lab as L
from lab import Trouble

CLOSING = re.compile(r"^seeds (\d+), failed (\d+), .*; (\d+) seeds a minute, (\d+) simulated seconds a second$", re.M)


def bench_sim():
    seeds = 300 if R.QUICK else 3000
    env = dict(os.environ)
    if "TWIN_BUILD" in env:
        env.setdefault("TWIN_SIM", os.path.join(env["TWIN_BUILD"], "tests", "twinsim"))
    done = subprocess.run([os.path.join(L.ROOT, "tests", "sim", "run"), "--seeds", str(seeds), "--jobs", str(os.cpu_count())],
                          capture_output=True, text=True, env=env, timeout=1800)
    said = CLOSING.search(done.stdout)
    if not said or done.returncode:
        raise Trouble(f"the simulator says: {(done.stdout + done.stderr)[-400:]}")
    R.figure("sim.rate.seeds", float(said.group(3)), "seeds a minute")
    R.figure("sim.rate", float(said.group(4)), "simulated seconds a second")
