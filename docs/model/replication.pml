// SPDX-License-Identifier: Apache-2.0
/*
 * The replication protocol of a pair, as spin checks it: records, commit, mirror, snapshot, catch-up, role, epoch,
 * lease, going alone, healing.  README.md beside this file says what is left out, which function of the product each
 * step is, what holds and how long it takes.  tests/model/run runs it, and every mutation (-DM_...).
 *
 *      owner ──record──► state_sync ══TXN══► state_sync of the twin        elector ──beat──► elector of the twin
 *        ▲                │  ▲  ╚════ACK══════════╝                            │ lease
 *        └─COMMITTED──────┘  └── order, status ──► elector                     ▼ may send until
 *
 * One tick of time is one heartbeat.  Everything between two ticks happens in any order and any number of times.
 *
 *   -DSAFETY     policy prefer-safety, else prefer-service      -DFAULTS=n   how many faults in a run (1)
 *   -DLOSSY      any heartbeat may be lost                      -DRECORDS=n  records the owners make (2)
 *   -DCUT_ALL    a fault may cut every path, not only the mirror -DSWITCHES=n, -DOPERATOR=n   commands
 *   -DONLY=k     faults of one kind only (1 << kind)            -DMIRROR_CUT  it begins with the mirror cut, once
 *   -DCOLD       it begins with two nodes that start behind a cut, for good or (-DHEALS) not
 */
#ifndef FAULTS
#define FAULTS 1
#endif
#ifndef RECORDS
#define RECORDS 2
#endif
#ifndef SWITCHES
#define SWITCHES 0
#endif
#ifndef OPERATOR
#define OPERATOR 0
#endif
#ifndef ONLY
#define ONLY 127
#endif

/* elect_conf_from(), in heartbeats: 10, 30, 40 ms and what follows from them */
#define LEASE 3
#define DEAD 4                   /* lease + max(lease / 4, heartbeat) */
#define PATIENCE_MOST (DEAD + 1) /* elect_patience_most(): some bound above dead */
#define GRANT (PATIENCE_MOST + 2)
#define PROBATION (2 * DEAD)
#define LONG PROBATION           /* counters stop here: nothing waits longer */
#define LONE (LONG / 2)          /* the lease of who has no twin that could promote: half of what a start listens for */
#define OLD 4                    /* an age: beyond the lease, and deaf() */
#define NEVER 5
#define EPOCH_BOUND 14           /* promotions in a run end here; no run of the bounds below reaches it */

#define START 0
#define STANDBY 1
#define PROMOTING 2
#define ACTIVE 3

#define other(n) (1 - (n))
#define min(a, b) ((a) < (b) -> (a) : (b))
#define max(a, b) ((a) > (b) -> (a) : (b))

/* The invariants, in the words of tests/sim/invariants.def.  They are never set: an assertion that fails names one. */
hidden byte COMMIT_FIRST, ACK_REMEMBERED, ONE_ACTIVE, ONE_LEASE, EPOCH_RISES, WHOLE_ONLY;
#define must(NAME, what) assert((what) || NAME)

/* --- a heartbeat (services/elector/beat.h) ------------------------------------------------------------------- */

typedef beat {
	bool here;                /* on its way; a later one takes its place */
	unsigned role : 2, ep : 4, age : 3; /* age: ticks since it was sent; OLD: it buys nothing any more */
	bool whole, ready, offer;
	unsigned opos : 2;        /* offer_position */
	unsigned floor : 1, wgen : 2; /* stand for seq against floor_seq and whole_seq: see `elector` */
	unsigned life : 2, e_life : 2; /* boot of the sender, and of the beat it echoes */
	unsigned e_age : 3, e_floor : 1, e_wgen : 2; /* the beat of ours it echoes; NEVER: none */
};
beat wire[2];                     /* wire[n]: to node n */

/* --- one node ------------------------------------------------------------------------------------------------- */

typedef elector_t {               /* struct elect */
	bool up, ran, lapsed, slept, forced, whole, quiescing, offering;
	unsigned role : 2, ep : 4, top : 4;
	unsigned until : 3;       /* ticks left of the lease */
	unsigned silence : 4;     /* elect_silence() */
	unsigned heard : 3;       /* ticks since the twin was heard; DEAD: not any more */
	unsigned acked : 3;       /* age of the youngest beat of ours that the twin has heard */
	unsigned deaf : 3;        /* the same, at the moment when the twin was heard last */
	/*
	 * Instead of sequence numbers: each rise of floor_seq begins a new `floor`, each of whole_seq a new `wgen`; a beat
	 * carries both, its echo brings them back, and "acked >= floor_seq" is "the echoed floor is ours".
	 */
	unsigned floor : 1, wgen : 2, a_floor : 1, a_wgen : 2;
	bool over;                /* overtaken: while lapsed, a whole twin may have promoted, and be gone */
	unsigned alone : 2;       /* wish granted last */
	unsigned t_role : 2, t_ep : 4, t_opos : 2; /* what the twin's last beat said */
	bool t_whole, t_ready, t_offer;
	unsigned life : 2, t_life : 2, m_life : 2; /* ours; the twin's that is believed; the one we echo */
	unsigned away : 3;        /* ticks that it did not run */
	bool doubt;               /* awake_seq: it slept for long, and whole is what an answer to a beat sent since says */
	unsigned strange : 3;     /* ticks since a life that has not proved itself was heard; DEAD: none is */
	unsigned nobody : 3;      /* ticks since neither is active; 0: one is */
	unsigned m_age : 3, m_floor : 1, m_wgen : 2; /* that beat, for our echo */
	/* state-sync's last Status */
	bool s_ready, s_mirrored, s_active, s_quiesced;
	unsigned s_ask : 2, s_pos : 2, s_ep : 4;
	/* what senders believe: the lease published last */
	unsigned pub : 3, pub_ep : 4;
};

typedef sync_t {                  /* struct sync and its store */
	bool up, act, known;   /* known: the role is */
	unsigned order : 4;       /* order_epoch */
	unsigned ep : 4;          /* META: epoch, complete, mirrored, node == us, position */
	bool complete, told, ours;
	unsigned pos : 2;
	unsigned log : 2;         /* log_first - 1 */
	byte rec[3];              /* record at each position */
	bool solo, mirrored, hold, quiesce;
	unsigned flip : 2, acked : 2, released : 2;
	unsigned ask : 2, asks : 2;
	bool live, proved, mode_told, snapping;
	unsigned upto : 2;        /* standby: the active has sent up to here in this session */
	unsigned snap : 2;
	bool mode_due;            /* standby: a MODE is on its way */
	bool ack_due;             /* active: an ACK is on its way, of: */
	unsigned ack : 2;
};

typedef owner_t {                 /* struct owner: one that stands for all */
	bool act;
	unsigned ep : 4;
	byte outbox;              /* bit r: the effect of record r waits */
};

elector_t E[2];
sync_t S[2];
owner_t O[2];
bool running[2];                  /* powered, and not stopped */
bool mirror_up, paths_up;         /* networks */

/* --- what the world knows (no node does) ---------------------------------------------------------------------- */

byte made;                        /* records made */
byte rec_ep[4];                   /* the epoch (term tag) in which record r was committed */
byte shown;                       /* bit r: an effect of record r has left */
byte faults_left, switches_left, operator_left;
byte spoke_ep;                    /* highest epoch under which anything was sent, and by whom */
bit spoke_by;
bool split;                       /* both nodes run and no path works, or did: prefer-service serves on both sides */
bool amnesty;                     /* a node with an old store went on alone: the documented last resort */

#define store_has(n, r) ((S[n].pos > 0 && S[n].rec[0] == (r)) || (S[n].pos > 1 && S[n].rec[1] == (r)) || \
			 (S[n].pos > 2 && S[n].rec[2] == (r)))
#define shown_is(r) ((shown >> (r)) & 1)
#define kept(n, r) (!shown_is(r) || store_has(n, r))
#define keeps_all(n) (kept(n, 1) && kept(n, 2) && kept(n, 3))
#define excused (split || amnesty)

/* Something leaves node n under epoch e: a packet of a worker, an effect of an owner. */
inline speak(node, epoch)
{
	must(ONE_ACTIVE, split || epoch > spoke_ep || (epoch == spoke_ep && spoke_by == node));
	must(ONE_ACTIVE, epoch != spoke_ep || spoke_by == node);
	if
	:: epoch > spoke_ep -> spoke_ep = epoch; spoke_by = node
	:: else
	fi
}

/* --- elector: elect_twin.c ------------------------------------------------------------------------------------ */

#define twin_heard(n) (E[n].heard < DEAD)
#define twin_active(n) (E[n].t_role >= PROMOTING)
#define sync_up(n) (S[n].up)
#ifdef SAFETY
#define may_without_twin(n) (E[n].forced)
#else
#define may_without_twin(n) (true)
#endif
#define holds_lease(n) (E[n].role == ACTIVE && !E[n].offering && E[n].until > 0)

/* elect_lease_publish() */
inline publish(n)
{
	if
	:: E[n].role == ACTIVE && !E[n].offering ->
		E[n].pub = E[n].until; E[n].pub_ep = (E[n].until -> E[n].ep : 0)
	:: else ->
#ifndef SAFETY
		E[n].pub = 0; E[n].pub_ep = 0; /* prefer-safety does not count on it: the clock ends what was published */
#endif
		skip
	fi;
	must(ONE_LEASE, split || !(E[0].pub && E[1].pub));
}

/* revive(), extend() */
inline extend(n, ticks)
{
	if
	:: (ticks) > E[n].until -> E[n].until = ticks
	:: else
	fi;
	if
	:: E[n].until > 0 -> E[n].lapsed = false; E[n].over = false
	:: else
	fi
}

/* elect_lease_acked() */
inline lease_acked(n)
{
	if
	:: E[n].role == ACTIVE && !E[n].offering && E[n].a_floor == E[n].floor && !twin_active(n) &&
	   E[n].acked < LEASE ->
#ifdef M_LEASE_FROM_HEARING
		extend(n, LEASE)
#else
		extend(n, LEASE - E[n].acked)
#endif
	:: else
	fi
}

inline forget_beat(n)
{
	wire[n].here = false; wire[n].role = 0; wire[n].ep = 0; wire[n].age = 0; wire[n].whole = false;
	wire[n].ready = false; wire[n].offer = false; wire[n].opos = 0; wire[n].floor = 0; wire[n].wgen = 0;
	wire[n].e_age = NEVER; wire[n].e_floor = 0; wire[n].e_wgen = 0; wire[n].life = 0; wire[n].e_life = 0
}

/* elect_send_beat() */
inline send_beat(n)
{
	wire[other(n)].here = (running[other(n)] && E[other(n)].up && paths_up);
	wire[other(n)].role = E[n].role; wire[other(n)].ep = E[n].ep; wire[other(n)].age = 0;
	wire[other(n)].whole = (E[n].role == ACTIVE && E[n].whole);
	wire[other(n)].ready = (sync_up(n) && E[n].s_ready);
#ifdef M_OFFER_EARLY
	wire[other(n)].offer = E[n].offering;
#else
	wire[other(n)].offer = (E[n].role == ACTIVE && E[n].offering && E[n].until == 0);
#endif
	wire[other(n)].opos = (E[n].offering -> E[n].t_opos : 0); /* as active t_opos holds our own offer */
	wire[other(n)].floor = E[n].floor; wire[other(n)].wgen = E[n].wgen;
	wire[other(n)].e_age = E[n].m_age; wire[other(n)].e_floor = E[n].m_floor;
	wire[other(n)].e_wgen = E[n].m_wgen; wire[other(n)].life = E[n].life; wire[other(n)].e_life = E[n].m_life;
	if
	:: !wire[other(n)].here -> forget_beat(other(n))
	:: else
	fi
}

/* --- elector: elect_role.c ------------------------------------------------------------------------------------ */

#ifdef M_SAME_SIDE
#define next_epoch(n) (((E[n].top >> 1) + 1) << 1)
#else
#define next_epoch(n) ((((E[n].top >> 1) + 1) << 1) | (n))
#endif

/* elect_promote() */
inline promote(n)
{
#ifdef M_EPOCH_REUSED
	E[n].ep = (E[n].ep & 14) | n;
#else
	must(EPOCH_RISES, next_epoch(n) > E[n].ep);
	E[n].ep = next_epoch(n);
#endif
	must(EPOCH_RISES, E[n].ep > S[n].ep);
	E[n].top = E[n].ep;
	E[n].whole = false; E[n].wgen = (E[n].wgen + 1) % 4; E[n].floor = 1 - E[n].floor;
	E[n].until = 0; E[n].quiescing = false; E[n].offering = false;
	printf("%d promotes epoch %d\n", n, E[n].ep);
	E[n].role = PROMOTING; E[n].nobody = 0; E[n].over = false;
	send_beat(n) /* elect_step(): a change of role is told at once */
}

/* elect_yield(), step_back() */
inline step_back(n)
{
	printf("%d steps back\n", n);
	E[n].until = 0; E[n].lapsed = false; E[n].over = false; E[n].offering = false; E[n].quiescing = false; E[n].whole = false;
	E[n].acked = NEVER; E[n].a_floor = 0; E[n].a_wgen = 0; E[n].deaf = 0; E[n].alone = 0; E[n].slept = false;
	E[n].role = STANDBY; E[n].nobody = 0;
	publish(n)
}

/* promotable(): the active vouched for us, and so does our store */
#ifdef M_NOT_WHOLE
#define promotable(n) (sync_up(n) && E[n].s_ready)
#else
#define promotable(n) ((E[n].t_whole || E[n].t_role == PROMOTING) && sync_up(n) && E[n].s_ready && E[n].s_mirrored)
#endif

/* switch_refusal(), elect_switch_tick(), offered_to_us(): who holds what is asked three times */
#ifdef M_OFFER_BLIND
#define may_offer(n) (true)
#define rests(n) (true)
#define takes(n) (true)
#else
#define may_offer(n) (E[n].whole)
#define rests(n) (E[n].s_quiesced && E[n].s_ep == E[n].ep && E[n].whole)
#define takes(n) (E[n].s_pos >= E[n].t_opos && E[n].t_whole && E[n].s_mirrored)
#endif
#define offered_to_us(n) (E[n].role == STANDBY && E[n].t_role == ACTIVE && E[n].t_offer && E[n].t_ep >= E[n].top && \
			  sync_up(n) && E[n].s_ready && takes(n))

/* we_win(): the fuller store, then the side */
#define last_ep(n) (S[n].pos -> rec_ep[S[n].rec[S[n].pos - 1]] : 0)
#define we_win(n) (last_ep(n) > last_ep(other(n)) || (last_ep(n) == last_ep(other(n)) && \
		   (S[n].pos > S[other(n)].pos || (S[n].pos == S[other(n)].pos && (n) == 0))))

inline standby_tick(n)
{
	if
	:: E[n].top >= EPOCH_BOUND
	:: else ->
		if
		:: twin_heard(n) && offered_to_us(n) -> promote(n)
		:: !(twin_heard(n) && offered_to_us(n)) && twin_active(n) ->
			E[n].nobody = 0;
			if /* active_twin_silent(), after elect_patience() */
			:: E[n].silence >= DEAD && !patient && promotable(n) && may_without_twin(n) && (E[n].t_life != 3 || E[n].strange == DEAD) ->
				must(WHOLE_ONLY, excused || keeps_all(n));
				promote(n)
			:: else
			fi
		:: !twin_active(n) && twin_heard(n) ->
			if /* nobody_tick() */
			:: E[n].nobody == 0 -> E[n].nobody = 1
			:: E[n].nobody == 4 && sync_up(n) && E[n].s_ready && E[n].t_ready && we_win(n) -> promote(n)
			:: E[n].nobody == 4 && sync_up(n) && E[n].s_ready && E[n].t_ready && !we_win(n) -> E[n].role = STANDBY
			:: E[n].nobody == 4 && sync_up(n) && E[n].s_ready && !E[n].t_ready &&
			   (!S[other(n)].up || !S[other(n)].complete) ->
				amnesty = amnesty || !keeps_all(n); promote(n) /* since >= start_wait */
			:: else
			fi
		:: !twin_active(n) && !twin_heard(n) ->
			E[n].nobody = 0;
			if /* alone_at_start() */
			:: E[n].silence >= LONG && E[n].strange == DEAD && sync_up(n) && E[n].s_ready && may_without_twin(n) ->
				amnesty = amnesty || !keeps_all(n);
				promote(n)
			:: else
			fi
		fi
	fi
}

/* promoting_tick(), activate(), elect_lease_begin() */
inline promoting_tick(n)
{
	if
	:: sync_up(n) && E[n].s_active && E[n].s_ep == E[n].ep ->
		E[n].role = ACTIVE; E[n].until = 0; E[n].lapsed = E[n].slept; E[n].slept = false;
	printf("%d is active epoch %d\n", n, E[n].ep);
		if
		:: E[n].lapsed
		:: !E[n].lapsed && may_without_twin(n) -> extend(n, LEASE)
		:: else -> lease_acked(n)
		fi;
		publish(n);
		send_beat(n)
	:: sync_up(n) && !(E[n].s_active && E[n].s_ep == E[n].ep) && E[n].top > E[n].ep -> step_back(n) /* decided too late */
	:: sync_up(n) && !E[n].s_ready && E[n].top <= E[n].ep && twin_heard(n) && E[n].t_ready -> step_back(n)
	:: else
	fi
}

/* elect_offer() */
inline hand_over(n, position)
{
	E[n].quiescing = true; E[n].offering = true; E[n].t_opos = position;
	printf("%d offers\n", n);
#ifndef SAFETY
	E[n].until = 0;
#endif
	publish(n)
}

/* call_off() */
inline call_off(n)
{
	printf("%d calls off\n", n);
	if
	:: E[n].offering -> E[n].floor = 1 - E[n].floor; E[n].until = 0; E[n].lapsed = true; E[n].over = true
	:: else
	fi;
	E[n].quiescing = false; E[n].offering = false
}

/* elect_switch_tick(), active_tick(): the waits may end at any moment */
inline switch_tick(n)
{
	if
	:: E[n].role == ACTIVE && E[n].quiescing && !E[n].offering && !twin_heard(n) -> call_off(n)
	:: E[n].role == ACTIVE && E[n].quiescing && !E[n].offering && twin_heard(n) && rests(n) ->
		hand_over(n, E[n].s_pos)
	:: E[n].role == ACTIVE && E[n].offering && !(E[n].until > 0) && !twin_heard(n) -> call_off(n)
	:: E[n].role == ACTIVE && !sync_up(n) && E[n].whole && twin_heard(n) && E[n].t_ready && !E[n].offering &&
	   faults_left == 0 -> hand_over(n, 0) /* state-sync is down for sync_dead */
	:: else
	fi
}

/* elect_alone_tick() */
#define twin_cannot_promote(n) ((E[n].a_wgen == E[n].wgen && twin_heard(n)) || (E[n].silence >= GRANT && holds_lease(n)))
#ifdef M_ASK_ORDERED
#define new_wish(n) (E[n].s_ask > E[n].alone)
#else
#define new_wish(n) (E[n].s_ask && E[n].s_ask != E[n].alone)
#endif
inline alone_tick(n)
{
	if
	:: E[n].role == ACTIVE && sync_up(n) && E[n].s_active && E[n].s_ep == E[n].ep && !E[n].offering ->
		if
		:: E[n].s_mirrored && !E[n].s_ask -> E[n].whole = true
		:: !(E[n].s_mirrored && !E[n].s_ask) && new_wish(n) ->
			if
			:: E[n].whole -> E[n].whole = false; E[n].wgen = (E[n].wgen + 1) % 4
			:: else
			fi;
			if
#ifdef M_ALONE_AT_ONCE
			:: true -> E[n].alone = E[n].s_ask
#else
			:: twin_cannot_promote(n) -> E[n].alone = E[n].s_ask
#endif
			:: else
			fi
		:: else
		fi
	:: else
	fi
}

inline role_tick(n)
{
	if
	:: E[n].role <= STANDBY -> standby_tick(n)
	:: E[n].role == PROMOTING -> promoting_tick(n)
	:: else
	fi
}

/* elect_twin_may_be_whole() */
#define twin_may_be_whole(n) (E[n].whole || new_wish(n))
#ifdef M_NEVER_OVERTAKEN
#define overtaken(n) (false)
#else
#define overtaken(n) (twin_may_be_whole(n))
#endif

/* has_waited_long(), elect_begin_anew(): an epoch above the one that the twin may have taken */
#define waited_long(n) (E[n].lapsed && E[n].over && E[n].strange == DEAD && may_without_twin(n) && \
	(E[n].silence >= LONG || (E[n].forced && E[n].silence >= DEAD)))
inline begin_anew(n)
{
	if
	:: E[n].top + 2 < EPOCH_BOUND -> E[n].top = E[n].top + 2; amnesty = amnesty || !keeps_all(n); promote(n)
	:: else
	fi
}

/* elect_lease_tick(), alone_now() */
#define deaf(n) (E[n].deaf >= OLD)
#define alone_now(n) (may_without_twin(n) && \
	(E[n].lapsed -> !E[n].over && E[n].strange == DEAD && (E[n].silence >= PROBATION || (E[n].forced && E[n].silence >= DEAD)) : \
	(!twin_may_be_whole(n) || (E[n].silence >= 2 && (!deaf(n) || E[n].silence >= DEAD)))))
#ifdef SAFETY
#define nobody_can_promote(n) (false)
#else
#define nobody_can_promote(n) (E[n].silence >= DEAD && !twin_may_be_whole(n))
#endif
inline lease_tick(n)
{
	if
	:: E[n].role == ACTIVE && !E[n].offering ->
		if
		:: E[n].until == 0 && !E[n].lapsed -> E[n].lapsed = true; E[n].over = overtaken(n)
		:: else
		fi;
		if
		:: waited_long(n) -> begin_anew(n)
		:: !waited_long(n) && alone_now(n) && nobody_can_promote(n) -> extend(n, LONE)
		:: !waited_long(n) && alone_now(n) && !nobody_can_promote(n) -> extend(n, LEASE)
		:: else
		fi
	:: else
	fi
}

/* counts(), proven(): a new life of the twin is believed when it has heard of us lately */
#define known_life(n) (wire[n].life == E[n].t_life)
#ifdef M_STRANGER_BELIEVED
#define proven(n) (true)
#else
#define proven(n) (wire[n].e_life == E[n].life && wire[n].e_age < DEAD)
#endif

/* elect_twin_doubt(): what it said last is no reason to promote */
inline disbelieve(n)
{
	E[n].t_whole = false; E[n].t_role = (E[n].t_role == PROMOTING -> ACTIVE : E[n].t_role)
}

/* elect_hear() and weigh() */
inline hear(n)
{
	E[n].m_age = wire[n].age; E[n].m_floor = wire[n].floor; E[n].m_wgen = wire[n].wgen; E[n].m_life = wire[n].life;
	if
	:: !known_life(n) && !proven(n) -> E[n].strange = 0; forget_beat(n)
	:: known_life(n) || proven(n) ->
		E[n].t_life = wire[n].life;
		E[n].t_role = wire[n].role; E[n].t_ep = wire[n].ep; E[n].t_whole = wire[n].whole;
		E[n].t_ready = wire[n].ready; E[n].t_offer = wire[n].offer;
		if /* doubt(): a beat of before is older than that, by its sleep */
		:: E[n].doubt && wire[n].e_life == E[n].life && wire[n].e_age < OLD -> E[n].doubt = false
		:: E[n].doubt && !(wire[n].e_life == E[n].life && wire[n].e_age < OLD) -> disbelieve(n)
		:: else
		fi;
		if
		:: !E[n].offering -> E[n].t_opos = wire[n].opos
		:: else
		fi;
		E[n].silence = 0; E[n].heard = 0; E[n].forced = false; E[n].strange = DEAD;
		E[n].until = min(E[n].until, LEASE); /* elect_lease_shared() */
		if /* note_ack() */
		:: E[n].role >= PROMOTING && wire[n].e_life == E[n].life && wire[n].e_age <= E[n].acked && wire[n].e_age < NEVER ->
			E[n].acked = wire[n].e_age; E[n].a_floor = wire[n].e_floor; E[n].a_wgen = wire[n].e_wgen
		:: else
		fi;
		E[n].deaf = (E[n].role == ACTIVE -> E[n].acked : 0);
		forget_beat(n);
		E[n].top = max(E[n].top, E[n].t_ep);
		if
		:: E[n].role >= PROMOTING && E[n].t_ep > E[n].ep -> E[n].ep = E[n].t_ep; step_back(n)
		:: E[n].role <= STANDBY ->
			E[n].ep = max(E[n].ep, E[n].t_ep);
			if
			:: E[n].role == START && twin_active(n) -> E[n].role = STANDBY; E[n].nobody = 0
			:: else
			fi
		:: else
		fi;
		lease_acked(n);
		role_tick(n);
		publish(n)
	fi
}

/* hear_sync(): what state-sync says of itself */
#define status_mirrored(n) (S[n].act -> S[n].mirrored : (S[n].complete && (S[n].told || S[n].ours)))
#define status_ep(n) (S[n].act -> S[n].ep : S[n].order)
#define status_quiesced(n) (S[n].act && S[n].quiesce && S[n].mirrored && S[n].live && S[n].acked == S[n].pos)
#define status_new(n) (E[n].s_ready != S[n].complete || E[n].s_mirrored != status_mirrored(n) || \
	E[n].s_active != S[n].act || E[n].s_ask != (S[n].act -> S[n].ask : 0) || E[n].s_pos != S[n].pos || \
	E[n].s_ep != status_ep(n) || E[n].s_quiesced != status_quiesced(n) || S[n].ep > E[n].top)
inline hear_status(n)
{
	d_step {
		E[n].s_ready = S[n].complete; E[n].s_mirrored = status_mirrored(n); E[n].s_active = S[n].act;
		E[n].s_ask = (S[n].act -> S[n].ask : 0); E[n].s_pos = S[n].pos; E[n].s_ep = status_ep(n);
		E[n].s_quiesced = status_quiesced(n);
		E[n].top = max(E[n].top, max(E[n].s_ep, S[n].ep));
		if
		:: E[n].role <= STANDBY -> E[n].ep = max(E[n].ep, E[n].top)
		:: else
		fi;
		switch_tick(n);
		role_tick(n);
		alone_tick(n);
		publish(n);
		patient = false
	}
}

/*
 * A beat that is not lost is heard before anything else happens: a network is quicker than a heartbeat.  Not so where
 * liveness is asked for: weak fairness is for what stays possible.
 */
#if defined(LOSSY) || defined(LIVE)
#define quiet (true)
#else
#define quiet (!(wire[0].here && running[0]) && !(wire[1].here && running[1]))
#endif

/* elect_patience(): from dead on, at any moment */
inline wait_or_not(n)
{
	if
	:: patient = false
	:: E[n].silence >= DEAD && E[n].silence < PATIENCE_MOST && E[n].role <= STANDBY -> patient = true
	fi
}

proctype elector(bit n)
{
	bool patient;

	do
	:: d_step { running[n] && E[n].up && wire[n].here -> hear(n) }
	:: atomic { quiet && running[n] && E[n].up && sync_up(n) && status_new(n) -> wait_or_not(n); hear_status(n) }
	:: atomic { quiet && running[n] && E[n].up && !E[n].ran && (E[0].ran || n == 0 || !running[0] || !E[0].up) -> /* tick() */
		wait_or_not(n);
		d_step {
			lease_tick(n);
			switch_tick(n);
			role_tick(n);
			alone_tick(n);
			publish(n);
			send_beat(n);
			E[n].ran = true; patient = false
		} }
	od
}

/* --- state-sync ------------------------------------------------------------------------------------------------ */

/* sync_release(): up to here effects may leave */
inline release_up_to(n)
{
	if
#ifdef M_NEVER_COMMITTED
	:: true
#else
	:: S[n].act && S[n].solo -> S[n].released = S[n].pos
	:: S[n].act && !S[n].solo && min(S[n].acked, S[n].pos) > S[n].released ->
		S[n].released = min(S[n].acked, S[n].pos)
	:: else
#endif
	fi
}

inline session_drop(n)
{
	S[n].live = false; S[n].snapping = false; S[n].mode_due = false; S[n].ack_due = false; S[n].ack = 0; S[n].upto = 0;
	S[n].snap = 0; S[n].proved = false; S[n].mode_told = false
}

inline end_pending(n)
{
	S[n].acked = 0; S[n].flip = 0; S[n].log = 0;
	S[n].released = 0; S[n].ask = 0; S[n].solo = false; S[n].mirrored = false; S[n].hold = false; S[n].quiesce = false
}

/* serve(): what the store holds will be acted upon, so that it waits like everything else (may_welcome()) */
inline serve(n, alone)
{
	printf("%d state-sync serves alone %d\n", n, alone);
	S[n].act = true; S[n].known = true; S[n].solo = alone; S[n].mirrored = false; S[n].hold = false;
	S[n].flip = (alone -> 0 : S[n].pos); S[n].acked = 0; S[n].released = 0; S[n].log = S[n].pos;
	S[n].proved = false; S[n].mode_told = false; S[n].ask = 0;
	O[n].act = false;
	release_up_to(n)
}

inline go_solo(n)
{
	printf("%d state-sync goes solo\n", n);
	S[n].flip = 0; S[n].solo = true; S[n].mirrored = false; S[n].hold = false; S[n].mode_told = false; S[n].ask = 0;
	release_up_to(n)
}

/* sync_role_order(): an epoch never goes back, whatever was decided before the mirror brought a later one */
#ifdef M_ORDER_OF_THE_PAST
#define later_than_store(n) (true)
#else
#define later_than_store(n) (E[n].ep > S[n].ep)
#endif
#define wants_active(n) (E[n].role >= PROMOTING)
#define wants_quiesce(n) (wants_active(n) && (E[n].quiescing || E[n].offering))
#define wants_stale(n) (E[n].role == STANDBY && E[n].t_role == ACTIVE && !E[n].t_whole)
#define order_new(n) (E[n].ep >= S[n].order && (E[n].ep > S[n].order || \
	(wants_active(n) && (!S[n].act || S[n].ep != E[n].ep) && \
	 ((S[n].complete && E[n].ep == S[n].ep && S[n].ours && !S[n].act) || \
	  (E[n].role == PROMOTING && S[n].complete && later_than_store(n)))) || \
	(wants_active(n) && S[n].act && S[n].ep == E[n].ep && \
	 (S[n].quiesce != wants_quiesce(n) || (S[n].ask && S[n].ask == E[n].alone))) || \
	(!wants_active(n) && (S[n].act || !S[n].known || (wants_stale(n) && S[n].told && !S[n].live)))))
inline obey(n)
{
	S[n].order = E[n].ep;
	if
	:: wants_active(n) && !S[n].act && S[n].complete && E[n].ep == S[n].ep && S[n].ours ->
		must(ACK_REMEMBERED, excused || S[n].ep < spoke_ep || keeps_all(n));
		serve(n, false)                        /* resumes() */
	:: wants_active(n) && !(!S[n].act && S[n].complete && E[n].ep == S[n].ep && S[n].ours) &&
	   (!S[n].act || S[n].ep != E[n].ep) && E[n].role == PROMOTING && S[n].complete && later_than_store(n) ->
		session_drop(n);                       /* promote() */
		must(EPOCH_RISES, E[n].ep > S[n].ep);
		must(ACK_REMEMBERED, excused || keeps_all(n));
		S[n].ep = E[n].ep; S[n].told = false; S[n].ours = true;
		end_pending(n);
		serve(n, true)
	:: !wants_active(n) && (S[n].act || !S[n].known) ->
		session_drop(n);                       /* demote() */
		S[n].act = false; S[n].known = true;
		end_pending(n)
	:: !wants_active(n) && !S[n].act && S[n].known ->
		if
		:: wants_stale(n) && S[n].told && !S[n].live -> S[n].told = false
		:: else
		fi
	:: else
	fi;
	if
	:: wants_active(n) && S[n].act && S[n].ep == E[n].ep ->
		S[n].quiesce = wants_quiesce(n);
		if
		:: S[n].ask && S[n].ask == E[n].alone -> go_solo(n)
		:: else
		fi
	:: else
	fi
}

/* can_catch_up(): the twin's store is a beginning of ours, and the rest is in the log */
#define same_term(a, b) (S[b].pos == 0 || rec_ep[S[b].rec[S[b].pos - 1]] == rec_ep[S[a].rec[S[b].pos - 1]])
#define can_catch_up(a, b) (S[b].complete && S[b].pos <= S[a].pos && same_term(a, b) && \
			    (S[b].pos == S[a].pos || S[b].pos >= S[a].log))

/* sync_ship_hello() on the active, sync_shadow_session() on the standby, HELLO and SESSION between them */
#ifdef M_NEVER_CATCHES_UP
#define greets(a, b) (false)
#else
#define greets(a, b) (mirror_up && running[b] && S[b].up && S[b].known && !S[b].act && !S[b].live && \
		      S[a].ep >= S[b].order && S[a].ep >= S[b].ep)
#endif
inline session(a, b)
{
	printf("%d session with %d, can catch up %d\n", a, b, can_catch_up(a, b));
	session_drop(a);
	S[a].live = true; S[b].live = true; S[a].proved = false; S[a].mode_told = false;
	S[b].upto = 0; S[b].mode_due = false; S[a].ack_due = false;
	if
	:: can_catch_up(a, b) ->
		S[a].acked = S[b].pos; S[b].upto = S[a].pos;
		if
		:: S[a].mirrored && S[a].acked < S[a].released -> S[a].mirrored = false; S[a].flip = S[a].pos
		:: else
		fi;
		S[b].ep = S[a].ep; S[b].ours = false; S[b].told = false;
		S[a].ack_due = true; S[a].ack = S[b].pos
	:: else ->
		S[a].acked = 0; S[a].snapping = true; S[a].snap = S[a].pos;
		if
		:: S[a].mirrored -> S[a].mirrored = false; S[a].flip = S[a].pos
		:: else
		fi;
		S[b].snapping = true; S[b].complete = false; S[b].told = false; S[b].ours = false; S[b].pos = 0;
		S[b].rec[0] = 0; S[b].rec[1] = 0; S[b].rec[2] = 0
	fi
}

/* The last page and END, sync_shadow_end(): the store is whole at `snap`, and the log goes on from there */
inline snapshot_end(a, b)
{
	printf("%d snapshot is whole\n", b);
	S[b].pos = S[a].snap;
	if
	:: S[b].pos > 0 -> S[b].rec[0] = S[a].rec[0]
	:: else
	fi;
	if
	:: S[b].pos > 1 -> S[b].rec[1] = S[a].rec[1]
	:: else
	fi;
	if
	:: S[b].pos > 2 -> S[b].rec[2] = S[a].rec[2]
	:: else
	fi;
	S[b].ep = S[a].ep; S[b].complete = true; S[b].snapping = false; S[a].snapping = false; S[a].snap = 0;
	S[b].upto = S[a].pos; S[a].ack_due = true; S[a].ack = S[b].pos
}

/* sync_shadow_txn(), sync_shadow_flush() */
inline shadow_txn(a, b)
{
	printf("%d stores position %d\n", b, S[b].pos + 1);
#ifndef M_ACK_EARLY
	S[b].rec[S[b].pos] = S[a].rec[S[b].pos];
#endif
	S[b].pos++;
	if
	:: S[a].live -> S[a].ack_due = true; S[a].ack = S[b].pos
	:: else
	fi
}

/* sync_commit_pending(), sync_ship(): a record of the owner becomes a transaction, and is on its way */
inline commit(n)
{
	made++;
	printf("%d commits record %d\n", n, made);
	rec_ep[made] = S[n].ep; S[n].rec[S[n].pos] = made; S[n].pos++;
	O[n].outbox = O[n].outbox | (1 << made);
	if
	:: S[n].live && !S[n].snapping -> S[other(n)].upto = S[n].pos
	:: else
	fi;
	release_up_to(n)
}

#define session_broken(n) (!mirror_up || !running[other(n)] || !S[other(n)].up || !S[other(n)].live)
#define lost(n) (!S[n].live || S[n].snapping)

proctype state_sync(bit n)
{
	do
	:: d_step { quiet && running[n] && S[n].up && running[n] && E[n].up && order_new(n) -> obey(n) }
	:: d_step { quiet && running[n] && S[n].up && S[n].act && greets(n, other(n)) -> session(n, other(n)) }
	:: d_step { quiet && running[n] && S[n].up && !S[n].act && S[n].live && S[n].snapping && mirror_up &&
		    S[other(n)].live && S[other(n)].snapping -> snapshot_end(other(n), n) }
	:: d_step { quiet && running[n] && S[n].up && !S[n].act && S[n].live && !S[n].snapping && mirror_up &&
		    S[n].pos < S[n].upto -> shadow_txn(other(n), n) }
	:: d_step { quiet && running[n] && S[n].up && !S[n].act && S[n].live && S[n].mode_due && mirror_up -> /* sync_shadow_mode() */
		S[n].mode_due = false; S[n].told = S[n].told || (S[n].complete && !S[n].snapping) }
	:: d_step { quiet && running[n] && S[n].up && S[n].act && S[n].live && S[n].ack_due && mirror_up -> /* sync_ship_ack() */
		S[n].ack_due = false; S[n].proved = true; S[n].acked = max(S[n].acked, S[n].ack); S[n].ack = 0;
		release_up_to(n) }
	/* the twin's silence, its BYE, the connection's end */
	:: d_step { quiet && running[n] && S[n].up && S[n].live && session_broken(n) ->
		printf("%d session is over\n", n); session_drop(n) }
	/* solo_tick() */
	:: d_step { quiet && running[n] && S[n].up && S[n].act && S[n].solo && S[n].live && !S[n].snapping && S[n].proved ->
		S[n].solo = false; S[n].hold = true; S[n].flip = S[n].pos;
		printf("%d holds\n", n) }
	/* waiting_tick(): go_mirrored() */
	:: d_step { quiet && running[n] && S[n].up && S[n].act && !S[n].solo && S[n].live && S[n].proved && !S[n].mode_told &&
		    !S[n].snapping && S[n].acked >= S[n].flip ->
		S[other(n)].mode_due = S[other(n)].live; S[n].mode_told = true;
		if
		:: !S[n].mirrored -> S[n].mirrored = true; S[n].hold = false; S[n].flip = 0; S[n].ask = 0; printf("%d is mirrored\n", n)
		:: else
		fi }
	/* waiting_tick(): back again, nobody was told */
	:: d_step { quiet && running[n] && S[n].up && S[n].act && S[n].hold && !S[n].live -> go_solo(n) }
	/* waiting_tick(): the wish to go on alone, and its end */
	:: d_step { quiet && running[n] && S[n].up && S[n].act && !S[n].solo && !S[n].hold && lost(n) && !S[n].ask ->
#ifdef M_SOLO_UNASKED
		go_solo(n)
#else
		S[n].asks = (S[n].asks == 1 -> 2 : 1); S[n].ask = S[n].asks
#endif
		}
	:: d_step { quiet && running[n] && S[n].up && S[n].act && S[n].mirrored && !lost(n) && S[n].ask -> S[n].ask = 0 }
	od
}

/* --- owners and workers (lib/bus/owner.c) ----------------------------------------------------------------------- */

/* owner_may_send() */
#ifdef M_LEASE_IGNORED
#define may_send(n) (O[n].act)
#else
#define may_send(n) (O[n].act && E[n].pub_ep == O[n].ep && E[n].pub > 0)
#endif

inline leave(n, r)
{
	must(COMMIT_FIRST, excused || !S[n].mirrored || store_has(other(n), r));
	speak(n, O[n].ep);
	shown = shown | (1 << r);
	printf("%d effect of record %d leaves in epoch %d\n", n, r, O[n].ep);
	O[n].outbox = O[n].outbox & (255 - (1 << r))
}

#ifdef M_EFFECTS_AT_ONCE
#define released(n, r) (store_has(n, r))
#else
#define released(n, r) ((S[n].released > 0 && S[n].rec[0] == (r)) || (S[n].released > 1 && S[n].rec[1] == (r)) || \
			(S[n].released > 2 && S[n].rec[2] == (r)))
#endif
#define effect_free(n, r) (((O[n].outbox >> (r)) & 1) && released(n, r) && may_send(n))

proctype owner(bit n)
{
	do
	/* WELCOME, load(): what the store holds is said again; ROLE */
	:: d_step { quiet && running[n] && S[n].up && S[n].act && !O[n].act ->
		O[n].act = true; O[n].ep = S[n].ep;
		O[n].outbox = 0;
		if
		:: S[n].pos > 0 -> O[n].outbox = O[n].outbox | (1 << S[n].rec[0])
		:: else
		fi;
		if
		:: S[n].pos > 1 -> O[n].outbox = O[n].outbox | (1 << S[n].rec[1])
		:: else
		fi;
		if
		:: S[n].pos > 2 -> O[n].outbox = O[n].outbox | (1 << S[n].rec[2])
		:: else
		fi }
	:: d_step { quiet && running[n] && S[n].up && !S[n].act && S[n].known && O[n].act -> /* on_role(): start_over() */
		O[n].act = false; O[n].outbox = 0 }
	/* a record and its effect; SUBMIT and the flush */
	:: d_step { quiet && running[n] && S[n].up && S[n].act && O[n].act && O[n].ep == S[n].ep && !S[n].quiesce &&
		    may_send(n) && made < RECORDS && S[n].pos < 3 -> commit(n) }
	:: d_step { quiet && running[n] && S[n].up && effect_free(n, 1) -> leave(n, 1) }
	:: d_step { quiet && running[n] && S[n].up && effect_free(n, 2) -> leave(n, 2) }
	:: d_step { quiet && running[n] && S[n].up && effect_free(n, 3) -> leave(n, 3) }
	/* a worker forwards a packet: no record, only the lease */
	:: d_step { quiet && running[n] && may_send(n) && spoke_ep != O[n].ep -> speak(n, O[n].ep) }
	od
}

/* --- time --------------------------------------------------------------------------------------------------------- */

/* Everything a node says to itself arrives within a heartbeat, and so does a beat unless it is lost. */
#define may_pass(n) (!running[n] || !E[n].up || (E[n].ran && (!S[n].up || (!status_new(n) && !order_new(n)))))
#ifdef LOSSY
#define arrives(n) (true)
#else
#define arrives(n) (!(wire[n].here && running[n]))
#endif

#define grow(age) age = ((age) < OLD -> (age) + 1 : (age))

inline pass(n)
{
	grow(wire[n].age); grow(wire[n].e_age);
	E[n].until = max(E[n].until, 1) - 1; E[n].pub = max(E[n].pub, 1) - 1;
	E[n].pub_ep = (E[n].pub -> E[n].pub_ep : 0);
	E[n].silence = min(E[n].silence + 1, LONG);
	E[n].heard = min(E[n].heard + 1, DEAD); E[n].strange = min(E[n].strange + 1, DEAD);
	E[n].nobody = (E[n].nobody > 0 && E[n].nobody < 4 -> E[n].nobody + 1 : E[n].nobody);
	grow(E[n].acked); grow(E[n].m_age);
	if
	:: !E[n].ran && E[n].up -> /* notice_stall(), when it runs again */
		E[n].silence = 0; E[n].slept = (E[n].slept || E[n].role == PROMOTING);
		E[n].away = min(E[n].away + 1, PATIENCE_MOST);
		if
		:: E[n].away == PATIENCE_MOST && E[n].role == STANDBY ->
#ifndef M_SLEEPER_BELIEVES
			E[n].doubt = true; disbelieve(n)
#endif
		:: else
		fi
	:: else -> E[n].away = 0
	fi;
	E[n].ran = false
}

proctype time()
{
	do
	:: d_step { may_pass(0) && may_pass(1) && arrives(0) && arrives(1) -> printf("--- a tick\n"); pass(0); pass(1) }
	od
}

/* --- faults and commands -------------------------------------------------------------------------------------------- */

#define KIND_SYNC 1
#define KIND_ELECTOR 2
#define KIND_POWER 4
#define KIND_STOP 8
#define KIND_MIRROR 16
#define KIND_OWNER 32
#define KIND_PATHS 64
#define may(kind) (faults_left > 0 && (ONLY & kind))

/* promote_refusal(), without --force */
#ifdef M_OPERATOR_AT_ONCE
#define operator_may(n) (!twin_active(n) || (E[n].silence >= DEAD && promotable(n)))
#else
#define operator_may(n) (E[n].silence >= DEAD && promotable(n))
#endif

inline sync_dies(n)
{
	printf("%d state-sync dies\n", n);
	S[n].up = false; S[n].act = false; S[n].known = false; O[n].act = false; O[n].outbox = 0;
	session_drop(n); end_pending(n);
	S[n].acked = 0; S[n].flip = 0; S[n].proved = false; S[n].mode_told = false; S[n].order = S[n].ep;
	E[n].s_active = false; E[n].s_quiesced = false; E[n].s_ask = 0
}

inline elector_dies(n)
{
	printf("%d elector dies\n", n);
	E[n].up = false; forget_beat(n)
}

inline elector_returns(n) /* elect_init() with the role file */
{
	printf("%d elector is back\n", n);
	E[n].up = true; E[n].ran = true; E[n].lapsed = (E[n].until == 0); E[n].slept = false; E[n].forced = false;
	E[n].away = 0; E[n].doubt = false;
	E[n].t_whole = (E[n].t_whole && E[n].heard < DEAD && E[n].role == STANDBY);
	E[n].t_ready = false; E[n].t_offer = false;
	if
	:: !(E[n].role == STANDBY && twin_active(n)) -> E[n].t_role = START; E[n].t_ep = 0
	:: else -> E[n].t_role = ACTIVE
	fi;
	if
	:: E[n].role == PROMOTING -> E[n].role = START
	:: E[n].role == ACTIVE && E[n].lapsed && !E[n].offering -> E[n].over = overtaken(n); E[n].whole = twin_may_be_whole(n)
	:: else
	fi;
	E[n].silence = 0; E[n].heard = DEAD; E[n].acked = NEVER; E[n].deaf = 0; E[n].m_age = NEVER;
	E[n].floor = 1 - E[n].floor; E[n].quiescing = E[n].offering; E[n].alone = 0; E[n].t_life = 3; E[n].nobody = 0;
	E[n].strange = DEAD
}

inline power_returns(n) /* the role file is of another boot; the store is as it was */
{
	printf("%d power is back\n", n);
	running[n] = true;
	E[n].up = true; E[n].ran = true; E[n].role = START; E[n].ep = 0; E[n].top = 0; E[n].until = 0; E[n].pub = 0;
	E[n].lapsed = false; E[n].slept = false; E[n].forced = false; E[n].whole = false; E[n].quiescing = false;
	E[n].away = 0; E[n].doubt = false;
	E[n].offering = false; E[n].silence = 0; E[n].heard = DEAD; E[n].acked = NEVER; E[n].deaf = 0; E[n].m_age = NEVER;
	E[n].t_role = START; E[n].t_ep = 0; E[n].t_whole = false; E[n].t_ready = false; E[n].t_offer = false;
	E[n].alone = 0; E[n].s_ready = false; E[n].s_mirrored = false; E[n].s_pos = 0; E[n].s_ep = 0; E[n].t_opos = 0;
	E[n].life++; E[n].t_life = 3; E[n].nobody = 0; E[n].strange = DEAD; E[n].over = false;
	S[n].up = true
}

proctype faults()
{
	bool down[2], stopped[2];

	do
	:: d_step { may(KIND_SYNC) && running[0] && S[0].up -> faults_left--; sync_dies(0) }
	:: d_step { may(KIND_SYNC) && running[1] && S[1].up -> faults_left--; sync_dies(1) }
	:: d_step { running[0] && !S[0].up -> S[0].up = true }
	:: d_step { running[1] && !S[1].up -> S[1].up = true }
	:: d_step { may(KIND_ELECTOR) && running[0] && E[0].up -> faults_left--; elector_dies(0) }
	:: d_step { may(KIND_ELECTOR) && running[1] && E[1].up -> faults_left--; elector_dies(1) }
	:: d_step { running[0] && !E[0].up -> elector_returns(0) }
	:: d_step { running[1] && !E[1].up -> elector_returns(1) }
	:: d_step { may(KIND_POWER) && running[0] -> faults_left--; sync_dies(0); elector_dies(0); running[0] = false; E[0].pub = 0; down[0] = true }
#ifndef SLEEPS /* node 0 dies for good, and node 1 sleeps */
	:: d_step { may(KIND_POWER) && running[1] -> faults_left--; sync_dies(1); elector_dies(1); running[1] = false; E[1].pub = 0; down[1] = true }
	:: d_step { down[0] -> down[0] = false; power_returns(0) }
	:: d_step { down[1] -> down[1] = false; power_returns(1) }
	:: d_step { may(KIND_STOP) && running[0] -> faults_left--; printf("0 is stopped\n"); running[0] = false; stopped[0] = true }
#endif
	:: d_step { may(KIND_STOP) && running[1] -> faults_left--; printf("1 is stopped\n"); running[1] = false; stopped[1] = true }
	:: d_step { stopped[0] -> printf("0 runs again\n"); stopped[0] = false; running[0] = true }
	:: d_step { stopped[1] -> printf("1 runs again\n"); stopped[1] = false; running[1] = true }
	:: d_step { may(KIND_MIRROR) && mirror_up -> faults_left--; printf("mirror cut\n"); mirror_up = false }
#ifdef CUT_ALL
	:: d_step { may(KIND_PATHS) && paths_up -> faults_left--; paths_up = false; mirror_up = false;
		forget_beat(0); forget_beat(1);
#ifndef SAFETY
		split = true
#endif
		}
#endif
	:: d_step { !mirror_up && paths_up -> mirror_up = true }
#if !defined(COLD) || defined(HEALS)
	:: d_step { !paths_up -> paths_up = true; mirror_up = true }
#endif
	:: d_step { may(KIND_OWNER) && O[0].act -> faults_left--; O[0].act = false; O[0].outbox = 0 }
	:: d_step { may(KIND_OWNER) && O[1].act -> faults_left--; O[1].act = false; O[1].outbox = 0 }
	/* switchover: elect_switch_command() */
	:: d_step { switches_left && E[0].role == ACTIVE && may_offer(0) && !E[0].quiescing && twin_heard(0) && E[0].t_ready ->
		switches_left--; E[0].quiescing = true }
	:: d_step { switches_left && E[1].role == ACTIVE && may_offer(1) && !E[1].quiescing && twin_heard(1) && E[1].t_ready ->
		switches_left--; E[1].quiescing = true }
	/* promote, without --force: promote_command(), promote_refusal() */
	:: d_step { operator_left && running[0] && E[0].up && E[0].role == ACTIVE && !twin_heard(0) -> operator_left--; E[0].forced = true }
	:: d_step { operator_left && running[1] && E[1].up && E[1].role == ACTIVE && !twin_heard(1) -> operator_left--; E[1].forced = true }
	:: d_step { operator_left && running[1] && E[1].up && E[1].role <= STANDBY && !twin_heard(1) && sync_up(1) && E[1].s_ready &&
		    operator_may(1) && E[1].top < EPOCH_BOUND ->
		operator_left--; E[1].forced = true; promote(1) }
	od
}

#ifdef COLD
/* Power comes back on both sides, and every path is cut for good: nobody has heard anybody. */
inline cold(n)
{
	sync_dies(n); elector_dies(n); power_returns(n); E[n].life = 0;
	paths_up = false; mirror_up = false; split = true
}
#endif

/* Node 0 is active and mirrored: everything else is reached from here. */
init
{
	atomic {
		running[0] = true; running[1] = true; mirror_up = true; paths_up = true;
		faults_left = FAULTS; switches_left = SWITCHES; operator_left = OPERATOR;
		E[0].up = true; E[0].role = ACTIVE; E[0].ep = 2; E[0].top = 2; E[0].until = LEASE; E[0].whole = true;
		E[0].pub = LEASE; E[0].pub_ep = 2;
		E[1].up = true; E[1].role = STANDBY; E[1].ep = 2; E[1].top = 2;
		E[1].t_role = ACTIVE; E[1].t_ep = 2; E[1].t_whole = true; E[1].t_ready = true;
		E[0].t_role = STANDBY; E[0].t_ep = 2; E[0].t_ready = true;
		E[0].strange = DEAD; E[1].strange = DEAD; E[0].acked = NEVER; E[1].acked = NEVER; E[0].m_age = NEVER; E[1].m_age = NEVER;
		forget_beat(0); forget_beat(1);
		S[0].up = true; S[0].act = true; S[0].known = true; S[0].order = 2; S[0].ep = 2; S[0].complete = true;
		S[0].ours = true; S[0].mirrored = true; S[0].live = true; S[0].proved = true; S[0].mode_told = true;
		S[1].up = true; S[1].known = true; S[1].order = 2; S[1].ep = 2; S[1].complete = true; S[1].told = true;
		S[1].live = true;
		E[0].s_ready = true; E[0].s_mirrored = true; E[0].s_active = true; E[0].s_ep = 2;
		E[1].s_ready = true; E[1].s_mirrored = true; E[1].s_ep = 2;
		O[0].act = true; O[0].ep = 2;
		spoke_ep = 2; spoke_by = 0;
#ifdef MIRROR_CUT
		mirror_up = false;
#endif
#ifdef COLD
		cold(0); cold(1);
#endif
		run elector(0); run elector(1); run state_sync(0); run state_sync(1); run owner(0); run owner(1);
		run time(); run faults()
	}
}

#ifdef LIVE
/* Nothing strikes any more, and what was struck is back. */
#define calm (faults_left == 0 && switches_left == 0 && running[0] && running[1] && mirror_up && paths_up && \
	      E[0].up && E[1].up && S[0].up && S[1].up)
#define pair_mirrored ((E[0].role == ACTIVE && E[0].whole && S[0].mirrored && S[1].told && E[1].role == STANDBY) || \
		       (E[1].role == ACTIVE && E[1].whole && S[1].mirrored && S[0].told && E[0].role == STANDBY))
#define nothing_waits (O[0].outbox == 0 && O[1].outbox == 0)
ltl PAIR_HEALS { !<>[] (calm && !(pair_mirrored)) }
ltl CONTROL_MOVES { !<>[] (calm && !(nothing_waits)) }
#endif
