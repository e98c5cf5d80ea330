// SPDX-License-Identifier: Apache-2.0
/*
 * The L2TPv2 codec: RFC 2661 and its extensions (3145, 3301, 3308, 3437, 3573, 3817, 4045, 4623,
 * 4951, 5515, 9601).  Octets to struct and back; no I/O, no allocation, no clock, no logging.
 *
 * Everything that is a table in an RFC is a table here: avps.def (attributes), messages.def (who
 * carries what), faults.def (what can be wrong and what the peer hears), lines.def (access-line
 * attributes), codes.def (result, error and cause codes).
 *
 * Reading: l2tp_msg_read() takes a whole control datagram apart.  What it finds is lent from the
 * packet, or from `scratch` inside the message for hidden AVPs: both must outlive the use, and a
 * struct l2tp_msg must not be copied.  The first trouble is recorded with the answer it deserves;
 * reading goes on where the octets allow, so that ids are known for the answer.
 *
 * Writing: l2tp_msg_begin(), one call per AVP, l2tp_msg_end().  M and H flags come from the table.
 *
 * L2TPv3 has the same AVPs and shares this code; what it has otherwise is in l2tp3.h.
 */
#ifndef TWIN_L2TP_H
#define TWIN_L2TP_H

#include "wire/wire.h"

/* ---- names ------------------------------------------------------------------------------- */

enum l2tp_avp {
#define X(TYPE, NAME, SHAPE, OCTETS, M, H, RFC, SECTION, TEXT) AVP_##NAME = TYPE,
#include "l2tp/avps.def"
#include "l2tp/avps3.def" /* those that only L2TPv3 has */
#undef X
	AVP_TYPES = 104 /* one more than the highest type in the tables */
};

enum l2tp_type {
	L2TP_ZLB = 0, /* no Message Type AVP at all: an acknowledgement only */
#define X(TYPE, NAME, TEXT, M, SCOPE, MUST, MAY, RFC, SECTION) L2TP_##NAME = TYPE,
#include "l2tp/messages.def"
#undef X
	L2TP_ACK = 20, /* L2TPv3 only (RFC 3931 6.15) */
	L2TP_TYPES = 30
};

enum l2tp_fault {
	L2TP_OK,
#define X(NAME, COUNTER, ANSWER, RESULT, ERROR, SECTION, SENTENCE) L2TP_##NAME,
#include "l2tp/faults.def"
#undef X
	L2TP_FAULTS
};

/* Texts for logs and displays; never NULL, "unknown" where the number is none of ours. */
const char *l2tp_msg_name(unsigned type);		   /* "SCCRQ", "ZLB" */
const char *l2tp_avp_name(unsigned vendor, unsigned type); /* "Host Name" */
const char *l2tp_fault_name(enum l2tp_fault fault);	   /* "AVP_LENGTH" */
const char *l2tp_fault_counter(enum l2tp_fault fault);	   /* "l2tp_avp_length" */
const char *l2tp_fault_sentence(enum l2tp_fault fault);
const char *l2tp_result_name(unsigned msg_type, unsigned result); /* of StopCCN, CDN or MSEN */
const char *l2tp_error_name(unsigned error);	 /* general error codes, RFC 2661 4.4.2 */
const char *l2tp_q931_name(unsigned cause);	 /* Q.931/Q.850 cause */
const char *l2tp_disconnect_name(unsigned code); /* RFC 3145 3 */
const char *l2tp_disconnect_direction(unsigned code,
				      unsigned direction); /* RFC 3145 3, "" if none */
const char *l2tp_proxy_authen_name(unsigned type);	   /* RFC 2661 4.4.5 */

/* ---- header ------------------------------------------------------------------------------ */

/*
 * RFC 2661 3.1:
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   |T|L|x|x|S|x|O|P|x|x|x|x|  Ver  |          Length (opt)         |
 *   |           Tunnel ID           |           Session ID          |
 *   |             Ns (opt)          |             Nr (opt)          |
 *   |      Offset Size (opt)        |    Offset pad... (opt)
 */
#define L2TP_BIT_T 0x8000
#define L2TP_BIT_L 0x4000
#define L2TP_BIT_S 0x0800
#define L2TP_BIT_O 0x0200
#define L2TP_BIT_P 0x0100
#define L2TP_RESERVED 0x34f0
#define L2TP_VERSION 0x000f

#define L2TP_CONTROL_HEADER 12 /* octets of a control header, and of a ZLB */
#define L2TP_HEADER_MAX 14     /* octets of a data header with L, S and O, no padding */
#define L2TP_PORT 1701

struct l2tp_hdr {
	bool control;	 /* T */
	bool has_len;	 /* L */
	bool has_seq;	 /* S */
	bool has_offset; /* O */
	bool priority;	 /* P */
	uint8_t version;
	uint16_t reserved; /* the reserved bits that were set: ignored on receipt (RFC 2661 3.1) */
	uint16_t tunnel, session;
	uint16_t ns, nr;
	uint16_t offset;     /* octets of padding after the Offset Size field */
	uint32_t connection; /* L2TPv3: Control Connection ID, in place of tunnel and session */
	size_t size;	     /* read: octets before the payload, padding included */
};

/*
 * Reads a header of either kind and gives the payload: what is between it and the end named by the
 * Length field (octets behind that are ignored), or the end of the datagram.  Version 2 only;
 * `version`, `control`, `tunnel` and `session` are set as far as they could be read even on a
 * fault.
 */
enum l2tp_fault l2tp_hdr_read(struct span packet, struct l2tp_hdr *out, struct span *payload);

/* Writes a header; with `has_len`, Length is that of the header plus `payload_len` octets to
 * follow. */
void l2tp_hdr_write(struct wr *w, const struct l2tp_hdr *hdr, size_t payload_len);

/* A Zero-Length Body message: acknowledges everything before `nr` (RFC 2661 5.8). */
void l2tp_zlb_write(struct wr *w, uint16_t tunnel, uint16_t ns, uint16_t nr);

/* Overwrites Ns and Nr (or Nr only) of a control message already written. */
void l2tp_msg_set_seq(uint8_t *msg, uint16_t ns, uint16_t nr);
void l2tp_msg_set_nr(uint8_t *msg, uint16_t nr);

/* ---- reading control messages ------------------------------------------------------------ */

enum l2tp_answer {
	L2TP_IGNORE,  /* no trouble that the peer should hear of: count it */
	L2TP_DISCARD, /* throw the datagram away silently: it is not a message of this tunnel */
	L2TP_CLEAR_SESSION, /* CDN with result and error, then the call is gone */
	L2TP_CLEAR_TUNNEL,  /* StopCCN with result and error, then the tunnel is gone */
};

/* What was wrong first, and what the peer deserves to hear. */
struct l2tp_trouble {
	enum l2tp_fault fault;
	enum l2tp_answer answer;
	uint16_t result, error; /* for a Result Code AVP in the CDN or StopCCN */
	uint16_t vendor, attr;	/* the offending attribute, where there is one */
};

#define L2TP_AVP_MAX 1023 /* octets of a whole AVP: its Length field has ten bits */
#define L2TP_AVP_HEADER 6
#define L2TP_VALUE_MAX (L2TP_AVP_MAX - L2TP_AVP_HEADER)
#define L2TP_VENDORS_MAX 48 /* vendor AVPs kept of one message; more are counted and ignored */
#define L2TP_SCRATCH 4096   /* octets of hidden values kept of one message */

struct l2tp_vendor_avp {
	uint16_t vendor, type;
	struct span value;
};

struct l2tp_msg {
	struct l2tp_hdr hdr;
	bool v3;	 /* read by l2tp3_msg_read(): the tables of L2TPv3 hold */
	uint16_t type;	 /* L2TP_ZLB, a row of messages.def, or an unknown number */
	bool type_known; /* false also for a ZLB */
	bool ignore;	 /* an unknown type with M = 0: acknowledge it and do nothing else */
	struct l2tp_trouble trouble;
	uint16_t avps;		   /* AVPs seen, good or bad */
	uint16_t unknown;	   /* unrecognized optional AVPs, ignored */
	uint16_t duplicates;	   /* repeated AVPs, ignored: the first one counts */
	uint16_t misplaced;	   /* known AVPs that this message should not carry, ignored */
	uint16_t hidden;	   /* AVPs that came hidden */
	uint16_t flag_lapses;	   /* M or H not as the RFC demands, accepted all the same */
	uint16_t malformed;	   /* bad AVPs with M = 0, ignored (RFC 2661 7.1) */
	struct l2tp_trouble lapse; /* the first of what was ignored or let pass, for a log line */
	uint16_t vendors;	   /* rows of vendor[] */
	uint64_t present[2];	   /* bit n: avp[n] is valid */
	struct span body;	   /* all AVPs, from Message Type on */
	/* Not initialized below here except where the fields above say so. */
	struct span avp[AVP_TYPES];
	struct l2tp_vendor_avp vendor[L2TP_VENDORS_MAX];
	size_t scratch_used;
	uint8_t scratch[L2TP_SCRATCH];
};

/*
 * Reads one control datagram.  `secret` deciphers hidden AVPs (len 0: there is none).  Answers
 * L2TP_OK or out->trouble.fault.  After a fault with answer L2TP_DISCARD only hdr is of use; after
 * any other the AVPs that could be read are there.  A StopCCN or CDN (MSEN) in trouble ends its
 * tunnel or call all the same: it is never answered with another one.
 */
enum l2tp_fault l2tp_msg_read(struct span packet, struct span secret, struct l2tp_msg *out);

static inline bool
l2tp_msg_has(const struct l2tp_msg *m, enum l2tp_avp a)
{
	return m->present[a >> 6] >> (a & 63) & 1;
}

/* Values by attribute.  False, and `out` untouched, where it is absent or shorter than the type. */
bool l2tp_msg_u16(const struct l2tp_msg *m, enum l2tp_avp a, uint16_t *out);
bool l2tp_msg_u32(const struct l2tp_msg *m, enum l2tp_avp a, uint32_t *out);
bool l2tp_msg_u64(const struct l2tp_msg *m, enum l2tp_avp a, uint64_t *out);
bool l2tp_msg_span(const struct l2tp_msg *m, enum l2tp_avp a, struct span *out);
/* As a C string, cut to `cap`, control octets shown as '?'.  False where it is absent. */
bool l2tp_msg_text(const struct l2tp_msg *m, enum l2tp_avp a, char *out, size_t cap);

/*
 * Every good occurrence of an attribute that may come more than once (Failover Session State,
 * Connect Speed Update, PPP Disconnect Cause): first those that came open, then those that came
 * hidden, each in the order of the message.  `at` starts at 0; false at the end.
 */
bool l2tp_msg_each(const struct l2tp_msg *m, enum l2tp_avp a, size_t *at, struct span *out);

struct l2tp_result {
	uint16_t result;
	bool has_error;
	uint16_t error;
	struct span message;
};
bool l2tp_msg_result(const struct l2tp_msg *m, struct l2tp_result *out);

struct l2tp_q931 {
	uint16_t cause;
	uint8_t msg;
	struct span advisory;
};
bool l2tp_msg_q931(const struct l2tp_msg *m, struct l2tp_q931 *out);

struct l2tp_disconnect { /* RFC 3145 2 */
	uint16_t code;
	uint16_t protocol; /* PPP control protocol concerned, or 0 */
	uint8_t direction; /* 0 global, 1 at peer, 2 at local */
	struct span message;
};
bool l2tp_msg_disconnect(const struct l2tp_msg *m, struct l2tp_disconnect *out);

struct l2tp_call_errors { /* RFC 2661 4.4.6 */
	uint32_t crc, framing, hardware_overruns, buffer_overruns, timeouts, alignment;
};
bool l2tp_msg_call_errors(const struct l2tp_msg *m, struct l2tp_call_errors *out);

struct l2tp_accm {
	uint32_t send, receive;
};
bool l2tp_msg_accm(const struct l2tp_msg *m, struct l2tp_accm *out);

struct l2tp_failover {	    /* RFC 4951 5.1 */
	bool control, data; /* C, D: which channel's endpoint needs failover */
	uint32_t recovery_ms;
};
bool l2tp_msg_failover(const struct l2tp_msg *m, struct l2tp_failover *out);

struct l2tp_recovery { /* RFC 4951 5.2 */
	uint32_t tunnel, remote;
};
bool l2tp_msg_recovery(const struct l2tp_msg *m, struct l2tp_recovery *out);

struct l2tp_scs { /* RFC 4951 5.3 */
	uint16_t ns, nr;
};
bool l2tp_msg_scs(const struct l2tp_msg *m, struct l2tp_scs *out);

struct l2tp_fss { /* RFC 4951 5.4 */
	uint32_t session, remote;
};
bool l2tp_msg_fss(const struct l2tp_msg *m, size_t *at, struct l2tp_fss *out);

struct l2tp_speed_update { /* RFC 5515 6.1 */
	uint16_t remote_session;
	uint32_t tx_bps, rx_bps;
};
bool l2tp_msg_speed_update(const struct l2tp_msg *m, size_t *at, struct l2tp_speed_update *out);

/* ---- access line attributes (RFC 5515, vendor 3561) --------------------------------------- */

#define L2TP_VENDOR_ADSL_FORUM 3561

enum l2tp_line {
#define X(TYPE, NAME, KIND, OCTETS, TEXT, UNIT) LINE_##NAME,
#include "l2tp/lines.def"
#undef X
	LINE_ATTRS
};

enum l2tp_line_kind { LINE_TEXT, LINE_NUMBER, LINE_OCTETS };

struct l2tp_line_info {
	uint16_t type; /* attribute type under vendor 3561 */
	enum l2tp_line_kind kind;
	uint8_t len; /* octets of a fixed value; most octets of a text */
	const char *name, *unit;
};
extern const struct l2tp_line_info l2tp_line_info[LINE_ATTRS];

struct l2tp_access_line {
	uint32_t present;	     /* bit per enum l2tp_line */
	struct span raw[LINE_ATTRS]; /* lent like everything else */
	uint64_t number[LINE_ATTRS]; /* of LINE_NUMBER kinds */
};

/* False where the message carries none of them. */
bool l2tp_msg_access_line(const struct l2tp_msg *m, struct l2tp_access_line *out);
/* One attribute as text with its unit ("18000000 bps"); "" where absent.  Answers `out`. */
const char *l2tp_line_text(const struct l2tp_access_line *l, enum l2tp_line a, char *out,
			   size_t cap);

/* ---- writing control messages ------------------------------------------------------------ */

#define L2TP_RANDOM_VECTOR_MAX 64

struct l2tp_wr {
	struct wr *w;
	size_t start; /* where the message begins in w */
	bool ok;      /* a refused AVP clears it; the cursor's own ok counts as well */
	bool was_ok;  /* the cursor's, when the message began */
	bool v3;      /* begun by l2tp3_msg_begin(): the tables of L2TPv3 hold */
	bool hiding;
	bool vector_out; /* the Random Vector AVP is written */
	struct span secret;
	uint16_t pad; /* hidden values are padded to a multiple of this (0, 1: no padding) */
	uint8_t vector[L2TP_RANDOM_VECTOR_MAX];
	size_t vector_len;
};

/*
 * Starts a control message at the cursor.  `m` borrows `w` until l2tp_msg_end().  The Message Type
 * AVP is written here.
 */
void l2tp_msg_begin(struct l2tp_wr *m, struct wr *w, enum l2tp_type type, uint16_t tunnel,
		    uint16_t session);

/*
 * From here until l2tp_msg_show(), every AVP that may be hidden is.  The secret must outlive the
 * writing; an empty one is refused.  `vector` is 1..64 fresh random octets (16 is usual), copied;
 * its Random Vector AVP goes out before the first hidden one, once.
 */
void l2tp_msg_hide(struct l2tp_wr *m, struct span secret, struct span vector, uint16_t pad);
void l2tp_msg_show(struct l2tp_wr *m);

/* AVPs of vendor 0, flags from the table.  An unknown attribute or a wrong length is refused. */
void l2tp_avp_empty(struct l2tp_wr *m, enum l2tp_avp a);
void l2tp_avp_u16(struct l2tp_wr *m, enum l2tp_avp a, uint16_t v);
void l2tp_avp_u32(struct l2tp_wr *m, enum l2tp_avp a, uint32_t v);
void l2tp_avp_u64(struct l2tp_wr *m, enum l2tp_avp a, uint64_t v);
void l2tp_avp_bytes(struct l2tp_wr *m, enum l2tp_avp a, const void *p, size_t len);
void l2tp_avp_text(struct l2tp_wr *m, enum l2tp_avp a, const char *text);
/* Whatever else: any vendor, any M; hidden if hiding is on and `may_hide`. */
void l2tp_avp_raw(struct l2tp_wr *m, uint16_t vendor, uint16_t type, bool mandatory, bool may_hide,
		  const void *p, size_t len);

/* error 0 and an empty message give the two-octet form.  A longer message is cut. */
void l2tp_avp_result(struct l2tp_wr *m, uint16_t result, uint16_t error, const char *message);
/* For an answer to trouble: result and error from it, and a sentence that names the attribute. */
void l2tp_avp_result_of(struct l2tp_wr *m, const struct l2tp_trouble *t);
void l2tp_avp_q931(struct l2tp_wr *m, uint16_t cause, uint8_t msg, const char *advisory);
void l2tp_avp_disconnect(struct l2tp_wr *m, uint16_t code, uint16_t protocol, uint8_t direction,
			 const char *message);
void l2tp_avp_call_errors(struct l2tp_wr *m, const struct l2tp_call_errors *e);
void l2tp_avp_accm(struct l2tp_wr *m, uint32_t send, uint32_t receive);
void l2tp_avp_failover(struct l2tp_wr *m, const struct l2tp_failover *f);
void l2tp_avp_recovery(struct l2tp_wr *m, uint32_t tunnel, uint32_t remote);
void l2tp_avp_scs(struct l2tp_wr *m, uint16_t ns, uint16_t nr);
void l2tp_avp_fss(struct l2tp_wr *m, uint32_t session, uint32_t remote);
void l2tp_avp_speed_update(struct l2tp_wr *m, uint16_t remote_session, uint32_t tx, uint32_t rx);
void l2tp_avp_line(struct l2tp_wr *m, enum l2tp_line a, const void *p, size_t len);
void l2tp_avp_line_number(struct l2tp_wr *m, enum l2tp_line a, uint64_t v);

/* Fills in Length, Ns and Nr.  False where anything was refused or did not fit: the message is not
 * to be sent, and the cursor is back where it began. */
bool l2tp_msg_end(struct l2tp_wr *m, uint16_t ns, uint16_t nr);

/* ---- secrets (RFC 2661 4.3, 5.1.1) -------------------------------------------------------- */

#define L2TP_RESPONSE 16

/* MD5(id, secret, challenge); id is the message type of the message that carries the response. */
bool l2tp_auth_response(uint8_t id, struct span secret, struct span challenge,
			uint8_t out[L2TP_RESPONSE]);
/* In constant time; false for any length but 16. */
bool l2tp_auth_check(uint8_t id, struct span secret, struct span challenge, struct span response);

/* Enciphers (or deciphers) `len` octets in place: the subformat with its length in front. */
bool l2tp_hide(uint16_t attr, struct span secret, struct span vector, uint8_t *p, size_t len);
bool l2tp_unhide(uint16_t attr, struct span secret, struct span vector, uint8_t *p, size_t len);

#endif
