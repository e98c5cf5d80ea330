// SPDX-License-Identifier: Apache-2.0
/*
 * Names of numbers, and the defaults of a configuration.
 */
#include "ppp/ppp.h"

void
ppp_conf_defaults(struct ppp_conf *c)
{
	*c = (struct ppp_conf){
		.mru = 1500,
		.accm = 0,
		.magic = true,
		.proxy_use = true,
		.echo_ms = 30000,
		.echo_failures = 4,
		.restart_ms = 3000, /* RFC 1661, 4.6 */
		.restart_first_ms = 1000,
		.max_configure = 10,
		.max_terminate = 2,
		.max_failure = 5,
		.auth_ms = 30000,
		.ipv4 = true,
		.ipv6 = true,
		.ra_ms = 600000, /* RFC 4861, 6.2.1 */
		.ra_lifetime_s = 1800,
		.hc_ours = crtp_params_default(),
		.mux_pid = CRTP_PPP_COMPRESSED_UDP_8, /* what enhanced RTP sends most */
	};
}

const char *
ppp_phase_name(enum ppp_phase p)
{
	static const char *const names[] = { "dead", "establish", "authenticate", "network", "terminate" };

	return (unsigned)p < sizeof names / sizeof *names ? names[p] : "unknown";
}

const char *
ppp_auth_name(enum ppp_auth a)
{
	static const char *const names[] = { "none", "pap", "chap-md5", "mschapv2" };

	return (unsigned)a < sizeof names / sizeof *names ? names[a] : "unknown";
}

const char *
ppp_cp_name(enum ppp_cp cp)
{
	static const char *const names[PPP_CPS] = { "lcp", "ipcp", "ipv6cp", "pppmuxcp" };

	return (unsigned)cp < PPP_CPS ? names[cp] : "unknown";
}

static const struct {
	const char *name, *text;
} faults[PPP_FAULTS] = {
#define X(ID, SENTENCE) { #ID, SENTENCE },
#include "ppp/faults.def"
#undef X
};

const char *
ppp_fault_name(enum ppp_fault f)
{
	return (unsigned)f < PPP_FAULTS ? faults[f].name : "UNKNOWN";
}

const char *
ppp_fault_text(enum ppp_fault f)
{
	return (unsigned)f < PPP_FAULTS ? faults[f].text : "unknown fault";
}

/* RFC 3145, 3. */
const char *
ppp_cause_name(uint16_t code)
{
	static const char *const names[] = {
		"no information",
		"administrative disconnect",
		"no proxy LCP",
		"normal disconnection",
		"encryption refused",
		"LCP timeout",
		"no LCP packets",
		"looped-back link",
		"echo timeout",
		"unexpected endpoint discriminator",
		"unexpected MRRU",
		"unexpected short sequence number option",
		"call-back refused",
		"authentication timeout",
		"unexpected authenticated name",
		"authentication protocol unacceptable",
		"authentication failed",
		"NCP timeout",
		"no NCP available",
		"no acceptable addresses",
		"no address permitted",
	};

	return code < sizeof names / sizeof *names ? names[code] : "unknown";
}
