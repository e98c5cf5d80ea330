// SPDX-License-Identifier: Apache-2.0
/* See text.h. */
#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/addr.h"

/* enum cc_state of tunnel-ctl; a test compares the two. */
static const char *const tunnel_states[] = { "idle", "wait-ctl-reply", "wait-ctl-conn", "established", "closing" };
static const char *const call_states[] = {
	[0] = "idle",	     [1] = "wait-tunnel",    [2] = "wait-reply", [3] = "wait-connect",
	[4] = "wait-cs-answer", [10] = "established", [11] = "closed",
};
static const char *const call_kinds[] = { [1] = "incoming", [2] = "outgoing" };
static const char *const roles[] = { [1] = "lns", [2] = "lac", [3] = "client" };
/* RFC 1661, 3.2 */
static const char *const phases[] = { "dead", "establish", "authenticate", "network", "terminate" };
/* RFC 2661, 4.4.5 */
static const char *const proxy_auths[] = { "", "text", "chap", "pap", "none", "ms-chap-v1" };

#define NAMED(FUNCTION, NAMES)                                                                     \
	const char *FUNCTION(unsigned n, char out[TEXT])                                           \
	{                                                                                          \
		if (n < sizeof NAMES / sizeof NAMES[0] && NAMES[n])                                \
			return NAMES[n];                                                           \
		snprintf(out, TEXT, "?%u", n);                                                     \
		return out;                                                                        \
	}

NAMED(text_tunnel_state, tunnel_states)
NAMED(text_call_state, call_states)
NAMED(text_call_kind, call_kinds)
NAMED(text_role, roles)
NAMED(text_phase, phases)
NAMED(text_proxy_auth, proxy_auths)

static const char *
scaled(uint64_t v, double step, const char *const *unit, char out[TEXT])
{
	double x = (double)v;
	unsigned u = 0;

	while (x >= step && unit[u + 1]) {
		x /= step;
		u++;
	}
	snprintf(out, TEXT, u == 0 || x >= 100 ? "%.0f %s" : "%.1f %s", x, unit[u]);
	return out;
}

const char *
text_octets(uint64_t v, char out[TEXT])
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", NULL };

	return scaled(v, 1024, unit, out);
}

const char *
text_bps(uint64_t v, char out[TEXT])
{
	static const char *const unit[] = { "bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s", NULL };

	if (v == 0)
		return "";
	return scaled(v, 1000, unit, out);
}

const char *
text_duration(uint64_t s, char out[TEXT])
{
	unsigned h = (unsigned)(s / 3600 % 24), m = (unsigned)(s / 60 % 60), sec = (unsigned)(s % 60);

	if (s >= 86400)
		snprintf(out, TEXT, "%" PRIu64 "d %02u:%02u:%02u", s / 86400, h, m, sec);
	else
		snprintf(out, TEXT, "%02u:%02u:%02u", h, m, sec);
	return out;
}

const char *
text_age(uint64_t since, uint64_t now, char out[TEXT])
{
	if (since == 0)
		return "";
	return text_duration(now > since ? now - since : 0, out);
}

const char *
text_moment(uint64_t at, char out[TEXT])
{
	time_t t = (time_t)at;
	struct tm tm;

	if (at == 0 || !localtime_r(&t, &tm) || strftime(out, TEXT, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		return "";
	return out;
}

const char *
text_address(const uint8_t *p, size_t len, char out[TEXT])
{
	struct ip_addr a;

	return ip_addr_from(p, len, &a) ? ip_addr_text(&a, out) : "";
}

const char *
text_prefix(const uint8_t *p, size_t len, unsigned bits, char out[TEXT])
{
	struct ip_prefix x;

	if (!ip_addr_from(p, len, &x.addr))
		return "";
	x.len = (uint8_t)(bits <= 128 ? bits : 128);
	return ip_prefix_text(&x, out);
}

/* The elector's sentences: elect_role.c and elect_switch.c. */
static const struct {
	const char *cause, *kind;
	bool sessions; /* a node that becomes active so takes over what another one served */
} causes[] = {
	{ "the twin handed over", "planned", true },
	{ "handed over", "planned", false },
	{ "the active twin is silent", "kill or silence", true },
	{ "by the operator", "operator", true },
	{ "the twin has a higher epoch", "partition heal", false },
	{ "nobody was active", "cold start", false },
	{ "no twin answered at start", "cold start", false },
	{ "no twin configured", "cold start", false },
	{ "the twin is active", "joined", false },
	{ "the twin's store is ahead", "joined", false },
	{ "state-sync did not become active", "called off", false },
};

#define CAUSES (sizeof causes / sizeof causes[0])

static size_t
cause_find(const char *cause)
{
	size_t i = 0;

	while (i < CAUSES && strcmp(causes[i].cause, cause ? cause : "") != 0)
		i++;
	return i;
}

const char *
text_change_kind(const char *cause)
{
	size_t i = cause_find(cause);

	return i < CAUSES ? causes[i].kind : "other";
}

const char *
text_recovered(bool active, bool stale, const char *cause)
{
	size_t i = cause_find(cause);

	if (!active)
		return "";
	if (stale)
		return "from disk: RFC 4951";
	return i < CAUSES && causes[i].sessions ? "silent" : "";
}

const char *
text_took(uint64_t us, char out[TEXT])
{
	if (us == 0)
		return "";
	snprintf(out, TEXT, us < 10000000 ? "%.1f ms" : "%.0f ms", (double)us / 1000);
	return out;
}

/* Length of the UTF-8 sequence at s, 0 if it is none. */
static unsigned
utf8_len(const unsigned char *s)
{
	unsigned n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 :
		     s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;

	for (unsigned i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static bool
printable(const unsigned char *s, unsigned n)
{
	if (n == 1)
		return s[0] >= 0x20 && s[0] != 0x7f;
	return n > 2 || s[0] != 0xc2 || s[1] >= 0xa0; /* C1 control characters */
}

const char *
text_safe(const char *text, char *out, size_t cap)
{
	const unsigned char *s = (const unsigned char *)(text ? text : "");
	size_t at = 0;

	while (*s) {
		unsigned n = utf8_len(s);
		if (at + (n ? n : 1) >= cap)
			break;
		if (n == 0 || !printable(s, n)) {
			out[at++] = '?';
		} else {
			memcpy(out + at, s, n);
			at += n;
		}
		s += n ? n : 1;
	}
	out[at] = 0;
	return out;
}

bool
text_number(const char *s, unsigned long max, unsigned long *out)
{
	char *end;

	if (*s < '0' || *s > '9' || strlen(s) > 18)
		return false;
	*out = strtoul(s, &end, 10);
	return *end == 0 && *out <= max;
}

bool
text_session_id(const char *s, unsigned *tunnel, unsigned *session)
{
	char t[8];
	size_t n = strcspn(s, "/.");
	unsigned long a, b;

	if (n >= sizeof t || s[n] == 0)
		return false;
	memcpy(t, s, n);
	t[n] = 0;
	if (!text_number(t, 65535, &a) || !text_number(s + n + 1, 65535, &b) || a == 0 || b == 0)
		return false;
	*tunnel = (unsigned)a;
	*session = (unsigned)b;
	return true;
}
