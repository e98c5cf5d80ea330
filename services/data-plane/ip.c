// SPDX-License-Identifier: Apache-2.0
/* TCP's MSS option (RFC 9293, 3.1 and 3.7.1).  See ip.h. */
#include "ip.h"

#define TCP_SYN 0x02
#define OPT_END 0
#define OPT_NOP 1
#define OPT_MSS 2

/* An option may begin at an odd octet; a sum then wants its octets the other way round. */
static void
patch_at(uint8_t *tcp, uint32_t at, uint16_t mss)
{
	uint16_t was = load16(tcp + at), is;

	put_u16(tcp + at, mss);
	is = load16(tcp + at);
	if (at & 1) {
		was = (uint16_t)(was << 8 | was >> 8);
		is = (uint16_t)(is << 8 | is >> 8);
	}
	sum_patch(tcp + 16, was, is);
}

bool
tcp_clamp(uint8_t *tcp, uint32_t len, uint16_t mss)
{
	uint32_t end, at = 20;

	if (len < 20 || !(tcp[13] & TCP_SYN))
		return false;
	end = (uint32_t)(tcp[12] >> 4) * 4;
	if (end > len)
		return false;
	while (at + 1 < end && tcp[at] != OPT_END) {
		if (tcp[at] == OPT_NOP) {
			at++;
			continue;
		}
		if (tcp[at + 1] < 2 || at + tcp[at + 1] > end)
			return false;
		if (tcp[at] == OPT_MSS && tcp[at + 1] == 4) {
			if (get_u16(tcp + at + 2) <= mss)
				return false;
			patch_at(tcp, at + 2, mss);
			return true;
		}
		at += tcp[at + 1];
	}
	return false;
}
