# SPDX-License-Identifier: Apache-2.0
"""The death of one process under traffic, and what it may cost."""

from stage import expect, step, until

BATCH = 128  # packets that a worker may hold in its hands, each way
RESTART_GAP = 250  # ms, from a death to a process that has read the store, on a busy machine


def one_death(st, node, service, active):
    epoch = active.epoch()
    st.traffic(True)
    st.load.ask("mark")
    node.kill_one(service)
    until(f"{node.name}'s {service} answers", 10, lambda: node.answers(service))
    active.wait_mirror("mirrored")
    e = st.load.ask("report")
    lost = st.settle()
    up, down = (sum(s[i] for s in lost) for i in (1, 2))
    caught = st.caught()
    v = st.verify()
    step(f"{node.name} {service}: lost {up} up, {down} down of {e['up_sent']}, {e['down_sent']}; "
         f"gap {e['up_gap_ms']:.0f}, {e['down_gap_ms']:.0f} ms; {caught} calls in progress went on, {v['open']} sessions verified")
    expect("no switchover", (active.role(), active.epoch()) == ("active", epoch))
    gap = max(e["up_gap_ms"], e["down_gap_ms"])
    if node is not active or not service.startswith("worker"):
        expect("it loses no packet", up + down == 0, (up, down))
        expect("a gap ends with the elector's restart", service != "elector" or gap < RESTART_GAP, gap)
    elif st.lab.workers == 1:  # the sockets die with their only holder
        expect("a gap ends with the worker's restart", gap < 2 * RESTART_GAP, gap)
    else:
        others = sum(s[1] for s in lost if s[0] % st.lab.workers != int(service[-1]))
        expect("no packet of another worker's sessions is lost", others == 0, others)
        expect("a worker loses what it had in its hands, at most", up <= BATCH and down <= BATCH)
