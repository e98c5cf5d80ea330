// SPDX-License-Identifier: Apache-2.0
/*
 * The mirror on the wire: one TCP connection with CURVE, whatever the roles are.  Side 0 listens, side 1
 * dials, so that there is one connection and not two, and it need not move when the roles do.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "pair.h"
#include "shell.h"

#define TCP_HEARTBEAT_MS 500
#define TCP_SILENT_MS 3000

static void
on_twin(void *arg, struct bus_sock *from, struct span identity, const struct span *f, unsigned n)
{
	struct shell *sh = arg;
	struct mirror_head h;
	struct sync_event ev = { .kind = SYNC_TWIN, .head = &h, .frame = f + 1, .frames = n - 1 };

	if (!mirror_head_read(f[0], &h)) {
		sh->core.count[SYNC_C_MIRROR_MALFORMED]++;
		return;
	}
	if (sh->listens && identity.len <= sizeof sh->twin_id) {
		memcpy(sh->twin_id, identity.p, identity.len);
		sh->twin_id_len = identity.len;
	}
	shell_step(sh, &ev);
	sh->dirty = true;
}

static void
on_link(void *arg, struct bus_sock *from, enum bus_link link)
{
	struct shell *sh = arg;

	log_line(NOTE_INFO, "mirror connection %s", link == BUS_UP ? "up" : "down");
	shell_step(sh, &(struct sync_event){ .kind = link == BUS_UP ? SYNC_TWIN_UP : SYNC_TWIN_DOWN });
	sh->dirty = true;
}

bool
mirror_shell_say(struct shell *sh, const struct mirror_head *h, const struct span *frame, unsigned frames)
{
	struct span out[SYNC_TXN_FRAMES + 1];
	uint8_t buf[MIRROR_HEAD_MAX];
	size_t n = mirror_head_write(h, buf);

	if (!sh->twin || !n || frames > SYNC_TXN_FRAMES || (sh->listens && !sh->twin_id_len))
		return false;
	out[0] = span_of(buf, n);
	if (frames)
		memcpy(out + 1, frame, frames * sizeof *frame);
	return bus_send(sh->twin, span_of(sh->twin_id, sh->twin_id_len), out, frames + 1);
}

bool
mirror_shell_start(struct shell *sh, char *error, size_t len)
{
	const struct conf_pair *p = &sh->conf->pair;
	char text[ADDR_TEXT], endpoint[ADDR_TEXT + 8];
	struct bus_curve curve;

	if (!p->enabled)
		return true;
	if (!pair_secret_read(p->secret_file, curve.secret, error, len))
		return false;
	sh->listens = pair_side(p) == 0;
	bus_set_heartbeat(sh->bus, TCP_HEARTBEAT_MS, TCP_SILENT_MS);
	snprintf(endpoint, sizeof endpoint, "tcp://%s",
		 endpoint_text(sh->listens ? &p->mirror_listen : &p->mirror_twin, text));
	sh->twin = sh->listens ? bus_router_listen(sh->bus, endpoint, &curve, on_twin, sh) :
				 bus_dealer_dial(sh->bus, endpoint, "twin", &curve, on_twin, sh);
	explicit_bzero(&curve, sizeof curve);
	snprintf(error, len, "%s: %s", endpoint, strerror(errno));
	return sh->twin && bus_watch(sh->twin, on_link, sh);
}
