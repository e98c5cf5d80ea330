// SPDX-License-Identifier: Apache-2.0
/*
 * PPP frames, control packets and configuration options as octets (RFC 1661, 2, 5 and 6).
 *
 *	+----------+--------------------------------------+
 *	| Protocol | Information                          |	frame; FF 03 in front may be there
 *	+----------+------+-----+--------+-----------------+
 *	           | Code | Id  | Length | Data ...        |	control packet; what follows Length is padding
 *	           +------+-----+--------+-----+-----------+
 *	                                 | Type | Length | Value ... |	options in the data
 */
#ifndef TWIN_PPP_FRAME_H
#define TWIN_PPP_FRAME_H

#include "wire/wire.h"

enum ppp_proto {
#define PROTO(NUMBER, ID, NAME, RFC) PPP_##ID = NUMBER,
#include "ppp/names.def"
};

enum ppp_code {
#define CODE(NUMBER, ID, NAME, RFC) PPP_##ID = NUMBER,
#include "ppp/names.def"
};

enum ppp_opt {
#define OPT(PROTOCOL, NUMBER, ID, NAME, RFC) PPP_##PROTOCOL##_##ID = NUMBER,
#include "ppp/names.def"
};

struct ppp_frame {
	uint16_t proto;
	struct span info;
};

struct ppp_packet {
	uint8_t code, id;
	struct span data;  /* after Length, without padding */
	struct span whole; /* from Code, without padding */
};

struct ppp_option {
	uint8_t type;
	struct span value;
	struct span whole;
};

/* With or without FF 03, with a protocol field of one or two octets.  False: too short. */
bool ppp_frame_read(struct span in, struct ppp_frame *out);

/* False: shorter than a header, or Length under 4 or beyond the information field. */
bool ppp_packet_read(struct span info, struct ppp_packet *out);

/* The next option; false at the end, or, with in->ok cleared, where the rest is no option. */
bool ppp_option_next(struct rd *in, struct ppp_option *out);

/* Whether the octets are a whole number of options. */
bool ppp_options_fine(struct span options);

void ppp_option_write(struct wr *, uint8_t type, const void *value, size_t len);
void ppp_option_write_u16(struct wr *, uint8_t type, uint16_t value);
void ppp_option_write_u32(struct wr *, uint8_t type, uint32_t value);

/* "unknown" where there is no name. */
const char *ppp_proto_name(uint16_t proto);
const char *ppp_code_name(uint8_t code);
const char *ppp_opt_name(uint16_t proto, uint8_t type);

#endif
