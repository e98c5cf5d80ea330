// SPDX-License-Identifier: Apache-2.0
/*
 * What two ends agree on: the IP-Compression-Protocol option of IPCP and IPV6CP (RFC 3544, 2), PPP
 * protocol numbers (4), and our own settings with their defaults.
 *
 *	+-------------+-----------+---------------+--------------+------------+------------+------------+
 *	| 0061 (16)   | TCP_SPACE | NON_TCP_SPACE | F_MAX_PERIOD | F_MAX_TIME | MAX_HEADER |
 *suboptions |
 *	+-------------+-----------+---------------+--------------+------------+------------+------------+
 */
#include "crtp/crtp.h"

#define IPHC 0x0061
#define TCP_SPACE_MOST 255 /* RFC 3544, 2.1 */

/* RFC 3544, 2.2 to 2.4 */
enum { SUB_RTP = 1, SUB_ENHANCED = 2, SUB_NONE = 3 };
enum { NONE_TCP = 1, NONE_NON_TCP = 2 };

bool
crtp_proto_known(uint16_t proto)
{
	switch (proto) {
	case CRTP_PPP_FULL_HEADER:
	case CRTP_PPP_COMPRESSED_TCP:
	case CRTP_PPP_COMPRESSED_NON_TCP:
	case CRTP_PPP_COMPRESSED_UDP_8:
	case CRTP_PPP_COMPRESSED_RTP_8:
	case CRTP_PPP_COMPRESSED_TCP_NODELTA:
	case CRTP_PPP_CONTEXT_STATE:
	case CRTP_PPP_COMPRESSED_UDP_16:
	case CRTP_PPP_COMPRESSED_RTP_16:
		return true;
	}
	return false;
}

struct crtp_params
crtp_params_default(void)
{
	return (struct crtp_params){ .tcp_space = 15,
				     .non_tcp_space = 15,
				     .f_max_period = 256,
				     .f_max_time = 5,
				     .max_header = CRTP_MAX_HEADER,
				     .enhanced = true,
				     .no_tcp = true };
}

static enum crtp_params_fault
read_suboption(struct rd *in, struct crtp_params *out, bool *unknown)
{
	uint8_t type = rd_u8(in), len = rd_u8(in), what;
	struct rd value;

	if (!in->ok)
		return CRTP_PARAMS_SHORT;
	if (len < 2)
		return CRTP_PARAMS_LENGTH;
	value = rd_sub(in, len - 2u);
	if (!in->ok)
		return CRTP_PARAMS_SHORT;
	switch (type) {
	case SUB_RTP:
		out->rtp = true;
		return len == 2 ? CRTP_PARAMS_OK : CRTP_PARAMS_LENGTH;
	case SUB_ENHANCED:
		out->enhanced = true;
		return len == 2 ? CRTP_PARAMS_OK : CRTP_PARAMS_LENGTH;
	case SUB_NONE:
		what = rd_u8(&value);
		out->no_tcp |= what == NONE_TCP;
		out->no_non_tcp |= what == NONE_NON_TCP;
		*unknown |= what != NONE_TCP && what != NONE_NON_TCP;
		return len == 3 ? CRTP_PARAMS_OK : CRTP_PARAMS_LENGTH;
	}
	*unknown = true;
	return CRTP_PARAMS_OK;
}

enum crtp_params_fault
crtp_params_read(struct span value, struct crtp_params *out, bool *unknown)
{
	struct rd in = rd_of(value.p, value.len);
	bool other = false;
	uint16_t proto = rd_u16(&in);
	enum crtp_params_fault fault = CRTP_PARAMS_OK;

	*out = (struct crtp_params){ .tcp_space = rd_u16(&in) };
	out->non_tcp_space = rd_u16(&in);
	out->f_max_period = rd_u16(&in);
	out->f_max_time = rd_u16(&in);
	out->max_header = rd_u16(&in);
	if (proto != IPHC && value.len >= 2)
		return CRTP_PARAMS_PROTOCOL;
	if (!in.ok)
		return CRTP_PARAMS_SHORT;
	while (fault == CRTP_PARAMS_OK && rd_left(&in) > 0)
		fault = read_suboption(&in, out, &other);
	if (out->enhanced)
		out->rtp = false; /* 2.3: instead of suboption 1 */
	if (unknown)
		*unknown = other;
	if (fault == CRTP_PARAMS_OK && out->tcp_space > TCP_SPACE_MOST) {
		out->tcp_space = TCP_SPACE_MOST;
		return CRTP_PARAMS_RANGE;
	}
	return fault;
}

static void
write_flag(struct wr *w, uint8_t type)
{
	wr_u8(w, type);
	wr_u8(w, 2);
}

static void
write_none(struct wr *w, uint8_t what)
{
	wr_u8(w, SUB_NONE);
	wr_u8(w, 3);
	wr_u8(w, what);
}

void
crtp_params_write(struct wr *w, const struct crtp_params *p)
{
	wr_u16(w, IPHC);
	wr_u16(w, p->tcp_space);
	wr_u16(w, p->non_tcp_space);
	wr_u16(w, p->f_max_period);
	wr_u16(w, p->f_max_time);
	wr_u16(w, p->max_header);
	if (p->enhanced)
		write_flag(w, SUB_ENHANCED);
	else if (p->rtp)
		write_flag(w, SUB_RTP);
	if (p->no_tcp)
		write_none(w, NONE_TCP);
	if (p->no_non_tcp)
		write_none(w, NONE_NON_TCP);
}

struct crtp_comp_conf
crtp_comp_conf_default(void)
{
	return (struct crtp_comp_conf){
		.n = 2, .full_every = 16, .idle_s = 2, .age_s = 120, .hold_ms = 250
	};
}

struct crtp_dec_conf
crtp_dec_conf_default(void)
{
	return (struct crtp_dec_conf){ .checkpoint = 0, .state_ms = 100 };
}

static const struct {
	const char *name, *sentence;
} verdicts[] = {
#define X(NAME, SENTENCE) { #NAME, SENTENCE },
#include "crtp/verdicts.def"
#undef X
};

const char *
crtp_verdict_name(enum crtp_verdict v)
{
	return v < CRTP_VERDICTS ? verdicts[v].name : "unknown";
}

const char *
crtp_verdict_sentence(enum crtp_verdict v)
{
	return v < CRTP_VERDICTS ? verdicts[v].sentence : "no verdict";
}
