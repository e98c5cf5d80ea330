// SPDX-License-Identifier: Apache-2.0
/*
 * Checkpoints of trunks' contexts (design, 3): rows of the table trunk_ctx, a context of the compressor or a
 * part of one of the decompressor each.  crtp.h says what is in them and what a promoted end does with it.
 *
 *	a trunk that is forwarding (live)    its rows go out, dp_ctx_next(); what comes in only says what is stored
 *	any other                            rows come in, and are its contexts
 *
 * A row names its agreement, so that contexts of another one are never taken up.  What is in the store of a trunk
 * that is gone, or of another agreement, is removed.  Each worker deals with its own trunks only.
 */
#include "dp_int.h"

#include <stdlib.h>
#include <string.h>

enum { COMP_CONSTANT, DEC_CONSTANT, DEC_MOVING };

/* ---- what the store holds of a trunk ---------------------------------------------------------- */

static uint32_t
most(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint32_t
cids_of(const struct trunk_conf *c)
{
	const uint32_t comp = most(c->comp.has_v4 ? c->comp.v4.non_tcp_space : 0, c->comp.has_v6 ? c->comp.v6.non_tcp_space : 0);
	const uint32_t dec = most(c->dec.has_v4 ? c->dec.v4.non_tcp_space : 0, c->dec.has_v6 ? c->dec.v6.non_tcp_space : 0);

	return most(comp, dec) + 1;
}

static bool
stored(const struct ctx_rows *r, unsigned part, uint32_t cid)
{
	const uint32_t bit = part * r->cids + cid;

	return cid < r->cids && r->bits[bit / 8] >> bit % 8 & 1;
}

static void
stored_set(struct ctx_rows *r, unsigned part, uint32_t cid, bool is)
{
	const uint32_t bit = part * r->cids + cid;

	if (cid >= r->cids || stored(r, part, cid) == is)
		return;
	r->bits[bit / 8] ^= (uint8_t)(1u << bit % 8);
	r->count += is ? 1u : ~0u;
}

static uint32_t
params_sum(uint32_t h, bool has, const struct crtp_params *p)
{
	uint8_t b[CRTP_OPTION_MAX + 1] = { has };
	struct wr w = wr_of(b + 1, sizeof b - 1);

	if (has)
		crtp_params_write(&w, p);
	for (unsigned i = 0; i < sizeof b; i++)
		h = (h ^ b[i]) * 16777619u; /* FNV-1a */
	return h;
}

bool
trunk_rows_begin(struct dp_cold *c)
{
	const struct trunk_conf *t = &c->trunk_conf;
	uint32_t h = 2166136261u;

	h = params_sum(h, t->comp.has_v4, &t->comp.v4);
	h = params_sum(h, t->comp.has_v6, &t->comp.v6);
	h = params_sum(h, t->dec.has_v4, &t->dec.v4);
	h = params_sum(h, t->dec.has_v6, &t->dec.v6);
	c->ctx = (struct ctx_rows){ .cids = cids_of(t), .agreement = h };
	c->ctx.bits = calloc(3 * c->ctx.cids / 8 + 1, 1);
	return c->ctx.bits != NULL;
}

/* ---- rows that belong to nobody ------------------------------------------------------------------ */

static bool
grow(void **list, uint32_t n, uint32_t *cap, size_t size)
{
	const uint32_t more = *cap ? 2 * *cap : 16;
	void *p;

	if (n < *cap)
		return true;
	p = realloc(*list, more * size);
	if (!p)
		return false;
	*list = p;
	*cap = more;
	return true;
}

void
trunk_rows_end(struct dp *dp, struct dp_session *s)
{
	struct dp_cold *c = cold_of(dp, s);

	if (dp->active && (s->key & 0xffff) % dp->workers == dp->worker && c->ctx.count &&
	    grow((void **)&dp->ctx_dead, dp->ctx_deads, &dp->ctx_dead_cap, sizeof *dp->ctx_dead))
		dp->ctx_dead[dp->ctx_deads++] = (struct ctx_dead){ s->key, c->ctx };
	else
		free(c->ctx.bits);
	c->ctx = (struct ctx_rows){ 0 };
}

static void
orphan(struct dp *dp, uint32_t key, unsigned part, uint16_t cid)
{
	if (dp->active && grow((void **)&dp->ctx_orphan, dp->ctx_orphans, &dp->ctx_orphan_cap, sizeof *dp->ctx_orphan))
		dp->ctx_orphan[dp->ctx_orphans++] = (uint64_t)key << 32 | part << 16 | cid;
}

void
trunk_rows_fini(struct dp *dp)
{
	while (dp->ctx_deads)
		free(dp->ctx_dead[--dp->ctx_deads].rows.bits);
	free(dp->ctx_dead);
	free(dp->ctx_orphan);
}

static bool
next_orphan(struct dp *dp, struct dp_ctx *out)
{
	while (dp->ctx_orphans) {
		const uint64_t o = dp->ctx_orphan[--dp->ctx_orphans];
		const struct dp_session *s = session_find(dp, (uint32_t)(o >> 32));
		*out = (struct dp_ctx){ .key = (uint32_t)(o >> 32), .part = (uint8_t)(o >> 16 & 3), .cid = (uint16_t)o };
		if (!s || !cold_of(dp, s)->trunk || !stored(&cold_of(dp, s)->ctx, out->part, out->cid))
			return true;
	}
	return false;
}

static bool
next_dead(struct dp *dp, struct dp_ctx *out)
{
	while (dp->ctx_deads) {
		struct ctx_dead *d = &dp->ctx_dead[dp->ctx_deads - 1];
		for (; d->rows.count && d->at < 3 * d->rows.cids; d->at++) {
			const unsigned part = d->at / d->rows.cids;
			const uint16_t cid = (uint16_t)(d->at % d->rows.cids);
			if (!stored(&d->rows, part, cid))
				continue;
			stored_set(&d->rows, part, cid, false);
			*out = (struct dp_ctx){ .key = d->key, .part = (uint8_t)part, .cid = cid };
			return true;
		}
		free(d->rows.bits);
		dp->ctx_deads--;
	}
	return false;
}

/* ---- out -------------------------------------------------------------------------------------------- */

static bool
row_of(struct dp *dp, struct dp_session *s, struct dp_ctx *out)
{
	struct dp_cold *c = cold_of(dp, s);
	struct crtp_row row;
	bool comp = crtp_comp_export(trunk_comp(c->trunk), &row, 1) == 1;

	if (!comp && crtp_dec_export(trunk_dec(c->trunk), &row, 1) != 1)
		return false;
	*out = (struct dp_ctx){ .key = s->key,
				.agreement = c->ctx.agreement,
				.part = (uint8_t)(comp ? COMP_CONSTANT : row.part == CRTP_PART_MOVING ? DEC_MOVING : DEC_CONSTANT),
				.cid = row.cid,
				.len = row.len };
	memcpy(out->b, row.b, row.len);
	stored_set(&c->ctx, out->part, out->cid, row.len != 0);
	return true;
}

bool
dp_ctx_next(struct dp *dp, struct dp_ctx *out)
{
	if (!dp->active)
		return false;
	if (next_orphan(dp, out) || next_dead(dp, out))
		return true;
	for (uint32_t i = 0; i < dp->trunks; i++, dp->ctx_at++) {
		struct dp_session *s;
		if (dp->ctx_at >= dp->trunks)
			dp->ctx_at = 0;
		s = session_at(dp, dp->trunk[dp->ctx_at]);
		if (s->flags & S_MINE && cold_of(dp, s)->trunk_live && row_of(dp, s, out))
			return true;
	}
	return false;
}

/* ---- in --------------------------------------------------------------------------------------------- */

static bool
import(struct trunk *t, unsigned part, uint16_t cid, struct span row)
{
	if (part == COMP_CONSTANT)
		return crtp_comp_import(trunk_comp(t), cid, row);
	if (part == DEC_MOVING && row.len == 0)
		return true; /* its constant part says whether there is a context */
	return crtp_dec_import(trunk_dec(t), cid, row);
}

bool
trunk_rows_apply(struct dp *dp, struct span key, const Row__TrunkCtx *row)
{
	uint16_t tunnel, session, cid;
	uint8_t part;
	struct dp_session *s;
	struct dp_cold *c;

	if (!key_trunk_read(key, &tunnel, &session, &part, &cid) || part > DEC_MOVING)
		return false;
	if (session % dp->workers != dp->worker)
		return true;
	s = session_find(dp, session_key(tunnel, session));
	c = s ? cold_of(dp, s) : NULL;
	if (row && (!c || !c->trunk || row->agreement != c->ctx.agreement || cid >= c->ctx.cids)) {
		orphan(dp, session_key(tunnel, session), part, cid);
		return true;
	}
	if (!c || !c->trunk)
		return true;
	stored_set(&c->ctx, part, cid, row != NULL);
	if (c->trunk_live)
		return true;
	dp->count[DP_COUNT_TRUNK_CONTEXTS_IN]++;
	return import(c->trunk, part, cid, row ? span_of(row->octets.data, row->octets.len) : span_of(NULL, 0));
}

/* What was live knows more than the store does; when it forwards no longer, only the store counts. */
void
trunk_rows_role(struct dp *dp)
{
	for (uint32_t i = 0; i < dp->trunks; i++) {
		struct dp_session *s = session_at(dp, dp->trunk[i]);
		struct dp_cold *c = cold_of(dp, s);
		struct trunk *fresh;
		if (!c->trunk_live)
			continue;
		if (dp->active) {
			crtp_comp_export_all(trunk_comp(c->trunk));
			crtp_dec_export_all(trunk_dec(c->trunk));
			continue;
		}
		fresh = trunk_new(&c->trunk_conf);
		if (!fresh) { /* then it goes on with what it has */
			dp->count[DP_COUNT_ROWS_NO_MEMORY]++;
			continue;
		}
		trunk_free(c->trunk);
		c->trunk = fresh;
		c->trunk_live = false;
	}
	if (dp->active)
		return;
	while (dp->ctx_deads) /* the store is another's to tidy */
		free(dp->ctx_dead[--dp->ctx_deads].rows.bits);
	dp->ctx_orphans = 0;
}
