// SPDX-License-Identifier: Apache-2.0
/*
 * What a call costs the core: ICRQ in, ICRP out, ICCN in, ZLB out, with every record packed, in nanoseconds of CPU and
 * octets of memory.  Not a test: it prints.   call_cost [calls [tunnels]]
 */
#include <malloc.h>
#include <time.h>

#define LAB_FAIL(...) abort()
#include "lab.h"
#include "tunnels.h"

struct meter {
	struct sink sink;
	uint8_t reply[2048], packed[4096];
	size_t len, octets;
	unsigned records, effects;
};

static void
on_record(struct sink *s, enum table table, struct span key, const ProtobufCMessage *row)
{
	struct meter *m = (struct meter *)s;

	m->records++;
	if (row && protobuf_c_message_get_packed_size(row) <= sizeof m->packed)
		m->octets += protobuf_c_message_pack(row, m->packed);
}

static void
on_effect(struct sink *s, const struct effect *e)
{
	struct meter *m = (struct meter *)s;

	m->effects++;
	if (e->bytes.len > L2TP_CONTROL_HEADER && e->bytes.len <= sizeof m->reply)
		memcpy(m->reply, e->bytes.p, m->len = e->bytes.len);
}

static void
on_note(struct sink *s, enum note_level level, const char *line)
{
}

static int64_t
clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static struct meter meter = { .sink = { on_record, on_effect, on_note } };

static int64_t
feed(struct lab *l, struct peer *p)
{
	struct tc_datagram in = { p->at, p->to, wr_span(&p->w) };
	struct tc_event ev = { .kind = TC_DATAGRAMS, .wall_s = 1700000000, .datagrams = { &in, 1 } };
	int64_t from = clock_ns();

	tc_step(l->tc, l->now, &ev, &meter.sink);
	return clock_ns() - from;
}

static int64_t
one_call(struct lab *l, struct peer *p, uint16_t id)
{
	static struct l2tp_msg m;
	struct l2tp_wr *w = peer_begin(p, L2TP_ICRQ, 0);
	uint16_t session = 0;
	int64_t spent;

	l2tp_avp_u16(w, AVP_ASSIGNED_SESSION, id);
	l2tp_avp_u32(w, AVP_CALL_SERIAL, id);
	l2tp_avp_text(w, AVP_CALLED_NUMBER, "5551000");
	l2tp_avp_text(w, AVP_CALLING_NUMBER, "line 1/2/3.4");
	l2tp_msg_end(w, p->ns++, p->nr);
	spent = feed(l, p);
	l2tp_msg_read(span_of(meter.reply, meter.len), span_of(NULL, 0), &m);
	l2tp_msg_u16(&m, AVP_ASSIGNED_SESSION, &session);
	p->nr++;
	w = peer_begin(p, L2TP_ICCN, session);
	l2tp_avp_u32(w, AVP_TX_CONNECT_SPEED, 10000000);
	l2tp_avp_u32(w, AVP_FRAMING_TYPE, 1);
	l2tp_avp_u16(w, AVP_PROXY_AUTHEN_TYPE, 3);
	l2tp_avp_text(w, AVP_PROXY_AUTHEN_NAME, "user@example.net");
	l2tp_msg_end(w, p->ns++, p->nr);
	return spent + feed(l, p);
}

int
main(int argc, char **argv)
{
	unsigned calls = argc > 1 ? (unsigned)atoi(argv[1]) : 64000, tunnels = argc > 2 ? (unsigned)atoi(argv[2]) : 64;
	struct lab *l = lab_new();
	struct peer *p = calloc(tunnels, sizeof *p);
	struct mallinfo2 before, after;
	int64_t spent = 0;

	lab_start(l, 1);
	for (unsigned i = 0; i < tunnels; i++) {
		p[i] = peer_new(l, (uint8_t)i, (uint16_t)(i + 1));
		peer_up(&p[i]);
	}
	l->unchecked = true;
	tc_note_level(l->tc, NOTE_INFO);
	before = mallinfo2();
	for (unsigned i = 0; i < calls; i++)
		spent += one_call(l, &p[i % tunnels], (uint16_t)(i / tunnels + 1));
	after = mallinfo2();
	printf("calls %u up %u\n", calls, tc_population(l->tc).calls_established);
	printf("ns a call %.0f\n", (double)spent / calls);
	printf("records a call %.2f, octets %.0f\n", (double)meter.records / calls, (double)meter.octets / calls);
	printf("memory a call %.0f\n", (double)(after.uordblks - before.uordblks) / calls);
	free(p);
	lab_free(l);
	return 0;
}
