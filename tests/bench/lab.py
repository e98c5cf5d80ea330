# SPDX-License-Identifier: Apache-2.0
"""The benchmarks' lab: hosts in network namespaces, nodes started and killed with precision.

    lac --- access bridge --+-- a --+-- core network (bridge) --- host
                            +-- b --+
                            (a and b also share a mirror link)

Run folders, sockets and logs are in memory, as /run is on a host; the stores are on a disk.

Unlike tests/lab (which runs nodes under their supervisor, as an operator would), a benchmark starts the
processes itself: it must know every pid, to kill them all at one moment and to read their CPU time.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("TWIN_BIN", os.path.join(ROOT, "build", "release", "bin"))
TICK = os.sysconf("SC_CLK_TCK")

SERVICE = "10.10.0.1"
HOST = "10.20.0.10"
HOST6 = "fd00:20::10"
POOL_ROUTE = "100.64.0.0/10"
POOL6_ROUTE = "2001:db8:1000::/36"


class Trouble(Exception):
    """A benchmark that cannot run; its text says why."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def sh(command, check=True):
    r = subprocess.run(command, shell=True, capture_output=True, text=True)
    if check and r.returncode:
        raise Trouble(f"{command}: {r.stderr.strip() or r.stdout.strip() or r.returncode}")
    return r.stdout


# The seconds that stories name are what is much on an idle machine.  One beside others may be several times slower, and
# where the condition comes, patience costs nothing.
PATIENCE = 4


def until(what, seconds, condition):
    """Waits for a condition, never for a time."""
    seconds *= PATIENCE
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        v = condition()
        if v:
            return v
        time.sleep(0.01)
    raise Trouble(f"{what}: not within {seconds} s")


def cpu_seconds(pids):
    total = 0.0
    for p in pids:
        try:
            f = open(f"/proc/{p}/stat").read().rsplit(")", 1)[1].split()
            total += (int(f[11]) + int(f[12])) / TICK
        except OSError:
            pass
    return total


def pss_octets(pids):
    total = 0
    for p in pids:
        try:
            for line in open(f"/proc/{p}/smaps_rollup"):
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        except OSError:
            pass
    return total


class Lab:
    def __init__(self, workers=2, bare=False):
        if os.geteuid() != 0:
            raise Trouble("network namespaces need root: run with sudo")
        self.id = f"tb{os.getpid()}"
        self.dir = tempfile.mkdtemp(prefix="twinbench-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
        self.disk = tempfile.mkdtemp(prefix="twinbench-store-")
        os.chmod(self.dir, 0o755)
        self.workers = workers
        self.prompt = False
        self.processors = {}  # node -> which ones, where the nodes are kept apart
        self.procs = []  # (Popen)
        self.spaces = []
        atexit.register(self.close)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        with open(f"{self.dir}/secret", "w") as f:
            f.write("5a" * 32 + "\n")
        os.chmod(f"{self.dir}/secret", 0o600)
        if bare:  # whoever asked builds the network
            return
        for n in ("lac", "acc", "a", "b", "core", "host"):
            self.space(n)
        self.bridge("acc", [("lac", "10.10.0.10/24"), ("a", "10.10.0.2/24"), ("b", "10.10.0.3/24")], "access0")
        self.bridge("core", [("host", f"{HOST}/24"), ("a", "10.20.0.2/24"), ("b", "10.20.0.3/24")], "core0")
        sh(f"ip link add mirror0 netns {self.ns('a')} type veth peer name mirror0 netns {self.ns('b')}")
        for n, addr in (("a", "10.30.0.2/24"), ("b", "10.30.0.3/24")):
            sh(f"ip -n {self.ns(n)} addr add {addr} dev mirror0 && ip -n {self.ns(n)} link set mirror0 up")
            sh(f"ip netns exec {self.ns(n)} sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
            sh(f"ip -n {self.ns(n)} -6 addr add fd00:20::{2 if n == 'a' else 3}/64 dev core0 nodad")
        sh(f"ip -n {self.ns('host')} -6 addr add {HOST6}/64 dev core0 nodad")
        sh(f"ip -n {self.ns('host')} route add {POOL_ROUTE} via 10.20.0.1")
        sh(f"ip -n {self.ns('host')} -6 route add {POOL6_ROUTE} via fd00:20::1")

    def ns(self, n):
        return f"{self.id}{n}"

    def space(self, n):
        sh(f"ip netns add {self.ns(n)} && ip -n {self.ns(n)} link set lo up")
        self.spaces.append(self.ns(n))

    def bridge(self, n, ports, dev):
        sh(f"ip -n {self.ns(n)} link add br0 type bridge mcast_snooping 0 && ip -n {self.ns(n)} link set br0 up")
        # A switch does not filter; where the host has loaded br_netfilter, a new namespace begins with it on.
        for table in ("iptables", "ip6tables", "arptables"):
            sh(f"ip netns exec {self.ns(n)} sysctl -qw net.bridge.bridge-nf-call-{table}=0", check=False)
        for i, (host, addr) in enumerate(ports):
            sh(f"ip link add {dev} netns {self.ns(host)} type veth peer name p{i} netns {self.ns(n)}")
            sh(f"ip -n {self.ns(n)} link set p{i} master br0 up")
            sh(f"ip -n {self.ns(host)} addr add {addr} dev {dev} && ip -n {self.ns(host)} link set {dev} up")
            sh(f"ip -n {self.ns(host)} link set {dev} txqueuelen 10000", check=False)

    def run(self, n, argv, log, stdin=None, stdout=None, env=None):
        out = open(f"{self.dir}/{log}.log", "ab")
        p = subprocess.Popen(["ip", "netns", "exec", self.ns(n)] + argv, stdin=stdin,
                             stdout=stdout if stdout is not None else out, stderr=out,
                             env={**os.environ, **(env or {})})
        self.procs.append(p)
        return p

    def split_processors(self):
        """Two nodes are two machines: what the one is busy with does not keep the other waiting."""
        have = sorted(os.sched_getaffinity(0))
        half = len(have) // 2
        if half:
            self.processors = {"a": have[:half], "b": have[half:]}

    def radius(self):
        p = self.run("host", [f"{BIN}/twinradius", HOST, "testing123"], "radius", stdout=subprocess.PIPE)
        if not p.stdout.readline():
            raise Trouble(f"twinradius does not start: see {self.dir}/radius.log")
        return p

    # --- our nodes -----------------------------------------------------------------------------------

    def configure(self, n, pair, **change):
        other = {"a": "b", "b": "a"}[n]
        last = {"a": 2, "b": 3}

        def ep(net, who, port):
            return {"address": f"10.{net}.0.{last[who]}", "port": port}

        conf = {
            "node": {"name": n, "run-dir": f"{self.dir}/run-{n}", "store-dir": f"{self.disk}/store-{n}",
                     "store-octets": str(4 << 30), "log-level": "info"},
            "service-address": [
                {"interface": "access0", "address": SERVICE, "prefix-length": 24},
                {"interface": "core0", "address": "10.20.0.1", "prefix-length": 24},
                {"interface": "core0", "address": "fd00:20::1", "prefix-length": 64}],
            "data-plane": {"workers": self.workers, "listen": [{"address": "0.0.0.0"}],
                           "receive-buffer": 33554432, "punt-peer-rate": 1000000, "punt-tunnel-rate": 1000000},
            "profile": [{"name": "any", "local-host-name": "lns", "ppp": "subs", "window": 1024}],
            "ppp": [{"name": "subs", "auth": ["pap", "chap-md5"], "local-address": "10.20.0.1", "dns": [HOST],
                     "pool": "v4", "pool6": "v6", "echo-interval": 30000}],
            "pool": [{"name": "v4", "range": [{"first": "100.64.0.2", "last": "100.66.255.254"}]},
                     {"name": "v6", "family": "ipv6",
                      "range": [{"first": "2001:db8:1000::", "last": "2001:db8:1003:ffff::"}]}],
            "aaa": {"mode": "radius", "server": [{"address": HOST, "secret": "testing123"}],
                    "nas-identifier": "lns", "in-flight": 512, "accounting": False},
        }
        if pair:
            conf["pair"] = {
                "enabled": True, "preferred": n == "a", "secret-file": f"{self.dir}/secret",
                "mirror-listen": ep(30, n, 1750), "mirror-twin": ep(30, other, 1750),
                "path": [{"name": "mirror", "local": ep(30, n, 1751), "twin": ep(30, other, 1751)},
                         {"name": "access", "local": ep(10, n, 1751), "twin": ep(10, other, 1751)}]}
        for path, v in change.items():
            at = conf
            *way, leaf = path.split("/")
            for w in way:
                at = at[w][0] if isinstance(at[w], list) else at[w]
            at[leaf] = v
        os.makedirs(f"{self.dir}/run-{n}", exist_ok=True)
        os.makedirs(f"{self.disk}/store-{n}", exist_ok=True)
        path = f"{self.dir}/{n}.json"
        with open(path, "w") as f:
            json.dump({"twinlns:twinlns": conf}, f, indent=1)
        return path

    def node(self, n, pair=False, **change):
        return Node(self, n, pair, change)

    def load(self, *argv):
        return Load(self, argv)

    def probe(self):
        """One call, through RADIUS and all: does the server answer?  Also fills everybody's neighbour tables,
        so that the first burst of a measurement does not wait for ARP."""
        r = subprocess.run(["ip", "netns", "exec", self.ns("lac"), f"{BIN}/twinload", "--lns", SERVICE, "--bind", "10.10.0.10",
                            "--tunnels", "1", "--sessions", "1", "--timeout", "2", "--host", "probe"], capture_output=True)
        return r.returncode == 0

    def close(self):
        for p in self.procs:
            if p.poll() is None:
                p.kill()
        for p in self.procs:
            p.wait()
        for s in self.spaces:
            sh(f"ip netns del {s}", check=False)
        self.procs, self.spaces = [], []
        if not os.environ.get("TWIN_KEEP"):
            sh(f"rm -rf {self.dir} {self.disk}", check=False)
        else:
            say(f"kept: {self.dir} {self.disk}")


class Node:
    """All processes of one node, started by us."""

    def __init__(self, lab, n, pair, change):
        self.lab, self.name = lab, n
        self.conf = lab.configure(n, pair, **change)
        self.p = {}
        self.start()

    def start(self):
        for proc in ("elector", "state-sync", "tunnel-ctl", "session-mgr"):
            self.start_one(proc)
        for w in range(self.lab.workers):
            self.start_one(f"data-plane {w}")

    def start_one(self, proc):
        name, *worker = proc.split()
        argv = [f"{BIN}/{name}", "--config", self.conf, "--schema", f"{ROOT}/schemas"]
        if worker:
            argv += ["--worker", worker[0]]
        if self.name in self.lab.processors:
            argv = ["taskset", "-c", ",".join(map(str, self.lab.processors[self.name]))] + argv
        self.p[proc] = self.lab.run(self.name, argv, f"{self.name}-{name}{''.join(worker)}")

    def pids(self):
        return [p.pid for p in self.p.values()]

    def ctl(self, *words, check=True):
        r = subprocess.run([f"{BIN}/twinctl", "--config", self.conf, *words], capture_output=True, text=True)
        if check and r.returncode:
            raise Trouble(f"twinctl {' '.join(words)}: {r.stderr.strip() or r.stdout.strip()}")
        return r.stdout

    def status(self, process):
        try:
            out = self.ctl("--json", "raw", process, "status")
            return json.loads(out)
        except (Trouble, ValueError):
            return {}

    def wait(self, role=None, mirror=None, seconds=20):
        def right():
            dead = [k for k, p in self.p.items() if p.poll() is not None]
            if dead:
                raise Trouble(f"node {self.name}: {', '.join(dead)} ended: see {self.lab.dir}")
            s = self.status("elector")
            y = self.status("state-sync")
            ready = [p["who"] for p in y.get("processes", []) if p.get("welcomed")]
            return (len(ready) == 2 + self.lab.workers and (role is None or s.get("role") == role) and
                    (mirror is None or y.get("mirror") == mirror))
        until(f"node {self.name} {role} {mirror}", seconds, right)

    def kill(self):
        """The whole node at one moment, as a power cut would."""
        for p in self.p.values():
            try:
                os.kill(p.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for p in self.p.values():
            p.wait()
        sh(f"rm -f {self.lab.dir}/run-{self.name}/role.state", check=False)

    def cpu(self):
        return cpu_seconds(self.pids())


class Load:
    """A twinload that listens to commands."""

    def __init__(self, lab, argv):
        base = [f"{BIN}/twinload", "--lns", SERVICE, "--bind", "10.10.0.10", "--hold", "-1"]
        self.lab = lab
        # It stands for other machines: where milliseconds are measured, it does not wait for the processor with ours.
        prompt = ["chrt", "-f", "5"] if lab.prompt else []
        self.p = lab.run("lac", prompt + base + [str(a) for a in argv], "twinload", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        os.set_blocking(self.p.stdout.fileno(), False)
        self.buf = b""
        self.events = []

    def poll(self):
        try:
            d = self.p.stdout.read()
        except BlockingIOError:
            d = None
        if d:
            self.buf += d
        *lines, self.buf = self.buf.split(b"\n")
        self.events += [json.loads(x) for x in lines if x.startswith(b"{")]

    def wait(self, event, seconds):
        def there():
            self.poll()
            for i, e in enumerate(self.events):
                if e["event"] == event:
                    return self.events.pop(i)
                if e["event"] == "timeout":
                    raise Trouble(f"the load generator timed out: {e}")
            if self.p.poll() is not None and not self.events:
                raise Trouble(f"the load generator ended: see {self.lab.dir}/twinload.log")
        return until(f"load event {event}", seconds, there)

    def say(self, command):
        self.p.stdin.write(command.encode() + b"\n")
        self.p.stdin.flush()

    def ask(self, command, event=None, seconds=30):
        self.say(command)
        return self.wait(event or command, seconds)

    def end(self):
        if self.p.poll() is None:
            self.say("quit")
            try:
                self.p.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.p.kill()
        return self.p.returncode


class L2tpns:
    """Debian's l2tpns on node a's place, with the same pool, profile and RADIUS server."""

    def __init__(self, lab):
        self.lab = lab
        d = f"{lab.dir}/l2tpns"
        os.makedirs(d, exist_ok=True)
        with open(f"{d}/ip_pool", "w") as f:
            f.write("100.64.0.0/15\n")
        open(f"{d}/users", "w").close()
        sh(f"ip -n {lab.ns('a')} addr add {SERVICE}/24 dev access0")
        sh(f"ip -n {lab.ns('a')} addr add 10.20.0.1/24 dev core0")
        with open(f"{d}/startup-config", "w") as f:
            f.write(f'''set debug 0
set log_file "{d}/log"
set pid_file "{d}/pid"
set hostname "lns"
set bind_address {SERVICE}
set cli_bind_address 127.0.0.1
set primary_dns {HOST}
set primary_radius {HOST}
set radius_secret "testing123"
set radius_accounting no
set radius_authtypes "pap"
set allow_duplicate_users yes
set cluster_address 239.192.13.13
set cluster_interface mirror0
set cluster_hb_interval 1
set cluster_hb_timeout 10
set cluster_master_min_adv 0
set packet_limit 0
''')
        self.p = lab.run("a", ["sh", "-c", f"mount --bind {d} /etc/l2tpns && exec l2tpns"], "l2tpns")
        until("l2tpns becomes master", 40, self.answers)

    def answers(self):
        if self.p.poll() is not None:
            raise Trouble(f"l2tpns ended: see {self.lab.dir}/l2tpns.log")
        return self.lab.probe()

    def pids(self):
        return [self.p.pid]

    def cpu(self):
        return cpu_seconds(self.pids())

    def kill(self):
        self.p.kill()
        self.p.wait()
        for a, dev in ((SERVICE, "access0"), ("10.20.0.1", "core0")):
            sh(f"ip -n {self.lab.ns('a')} addr del {a}/24 dev {dev}", check=False)
