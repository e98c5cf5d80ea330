// SPDX-License-Identifier: Apache-2.0
/* The users file: lines to entries, questions to answers.  See users.h. */
#include "users.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "radius.h"

#define FILE_MAX (64u << 20)
#define ATTRS_MAX 2048
#define TOKEN_MAX 256

struct user {
	UT_hash_handle hh;
	struct user *next_pattern; /* entries ending in '*', in file order */
	bool reject;
	uint8_t name_len, password_len;
	uint16_t attrs_len;
	uint8_t octets[]; /* name, password, attributes */
};

struct users {
	struct user *exact, *patterns, *last_pattern;
	unsigned n;
};

/* ---- Words.  A word ends at blank, comma, '=' or end of line; "..." may hold any of them. */

struct line {
	const uint8_t *p, *end;
	unsigned number;
};

struct token {
	char text[TOKEN_MAX];
	size_t len;
	bool quoted;
};

struct parse {
	struct users *users;
	struct line line;
	char *error;
	size_t error_len;
	/* the entry being put together */
	bool open, reject;
	unsigned opened_at;
	struct token name, password;
	uint8_t attrs[ATTRS_MAX];
	struct wr w;
};

static bool __attribute__((format(printf, 2, 3)))
fail(struct parse *p, const char *fmt, ...)
{
	char what[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	snprintf(p->error, p->error_len, "line %u: %s", p->line.number, what);
	return false;
}

static bool
blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void
skip_blanks(struct line *l)
{
	while (l->p < l->end && blank(*l->p))
		l->p++;
}

static bool
at_end(struct line *l)
{
	skip_blanks(l);
	return l->p == l->end || *l->p == '#';
}

static bool
quoted(struct parse *p, struct token *t)
{
	struct line *l = &p->line;

	for (l->p++; l->p < l->end && *l->p != '"'; l->p++) {
		if (*l->p == '\\' && l->p + 1 < l->end)
			l->p++;
		if (t->len + 1 >= sizeof t->text)
			return fail(p, "text longer than %d octets", TOKEN_MAX - 1);
		t->text[t->len++] = (char)*l->p;
	}
	if (l->p == l->end)
		return fail(p, "a quote is opened and not closed");
	l->p++;
	return true;
}

static bool
word(struct parse *p, const char *what, struct token *t)
{
	struct line *l = &p->line;

	*t = (struct token){ 0 };
	if (at_end(l))
		return fail(p, "%s expected, the line ends", what);
	if (*l->p == '"') {
		t->quoted = true;
		if (!quoted(p, t))
			return false;
	} else {
		while (l->p < l->end && !blank(*l->p) && *l->p != ',' && *l->p != '=' && *l->p != '"') {
			if (t->len + 1 >= sizeof t->text)
				return fail(p, "word longer than %d octets", TOKEN_MAX - 1);
			t->text[t->len++] = (char)*l->p++;
		}
	}
	t->text[t->len] = 0;
	if (t->len == 0 && !t->quoted)
		return fail(p, "%s expected before '%c'", what, l->p < l->end ? *l->p : ' ');
	if (memchr(t->text, 0, t->len))
		return fail(p, "%s with a NUL octet in it", what);
	return true;
}

/* ---- Attributes, by the kinds of radius_attrs.def. */

static bool
number(const char *s, uint32_t *out)
{
	char *end;
	unsigned long long v;

	if (s[0] < '0' || s[0] > '9')
		return false;
	errno = 0;
	v = strtoull(s, &end, 10);
	if (*end || errno || v > UINT32_MAX)
		return false;
	*out = (uint32_t)v;
	return true;
}

static bool
put_ifid(struct wr *w, enum rad_attr_id id, const char *s)
{
	uint8_t b[8];
	unsigned g[4];
	int used = 0;

	if (sscanf(s, "%4x:%4x:%4x:%4x%n", &g[0], &g[1], &g[2], &g[3], &used) != 4 || s[used])
		return false;
	for (int i = 0; i < 4; i++)
		put_u16(b + 2 * i, (uint16_t)g[i]);
	rad_put(w, id, b, sizeof b);
	return true;
}

static bool
put_address(struct wr *w, enum rad_attr_id id, const char *s, uint8_t family)
{
	struct ip_addr a;

	if (!ip_addr_parse(s, &a) || a.family != family)
		return false;
	rad_put(w, id, a.b, ip_addr_len(&a));
	return true;
}

static bool
put_value(struct wr *w, const struct rad_attr_info *i, const struct token *t)
{
	struct ip_prefix prefix;
	uint32_t v;

	switch (i->kind) {
	case RAD_TEXT:
	case RAD_OCTETS:
		rad_put(w, i->id, t->text, t->len);
		return t->len > 0;
	case RAD_U32:
		if (!number(t->text, &v))
			return false;
		rad_put_u32(w, i->id, v);
		return true;
	case RAD_IP4:
		return put_address(w, i->id, t->text, 4);
	case RAD_IP6:
		return put_address(w, i->id, t->text, 6);
	case RAD_PREFIX6:
		if (!ip_prefix_parse(t->text, &prefix) || prefix.addr.family != 6)
			return false;
		rad_put_prefix6(w, i->id, &prefix);
		return true;
	case RAD_IFID:
		return put_ifid(w, i->id, t->text);
	default:
		return false;
	}
}

static const char *
kind_text(enum rad_kind k)
{
	static const char *const t[] = {
		[RAD_TEXT] = "a text",
		[RAD_OCTETS] = "a text",
		[RAD_U32] = "a number from 0 to 4294967295",
		[RAD_IP4] = "an IPv4 address",
		[RAD_IP6] = "an IPv6 address",
		[RAD_PREFIX6] = "an IPv6 prefix such as 2001:db8:1::/64",
		[RAD_IFID] = "an interface identifier such as 0:0:0:1",
		[RAD_TAGGED_U32] = "a number",
		[RAD_TAGGED_TEXT] = "a text",
		[RAD_SECRET] = "nothing",
	};

	return t[k];
}

static bool
attribute(struct parse *p)
{
	const struct rad_attr_info *i;
	struct token name, value;

	if (!word(p, "an attribute's name", &name))
		return false;
	if (!name.quoted && strcmp(name.text, "reject") == 0) {
		p->reject = true;
		return true;
	}
	i = rad_attr_named(name.text);
	if (!i || !aaa_grant_honours(i->id))
		return fail(p, "\"%.64s\" is no attribute that a users file can give", name.text);
	skip_blanks(&p->line);
	if (p->line.p == p->line.end || *p->line.p != '=')
		return fail(p, "'=' expected after %s", i->name);
	p->line.p++;
	if (!word(p, i->name, &value))
		return false;
	if (!put_value(&p->w, i, &value))
		return fail(p, "%s must be %s, and \"%.64s\" is not", i->name, kind_text(i->kind), value.text);
	if (!p->w.ok)
		return fail(p, "more attributes than one user can have");
	return true;
}

static bool
attributes(struct parse *p)
{
	while (!at_end(&p->line)) {
		if (*p->line.p == ',') {
			p->line.p++;
			continue;
		}
		if (!attribute(p))
			return false;
	}
	return true;
}

/* ---- Entries. */

static bool
finish(struct parse *p)
{
	struct users *us = p->users;
	size_t attrs = wr_len(&p->w);
	struct user *u, *other;
	bool pattern;

	if (!p->open)
		return true;
	p->open = false;
	pattern = p->name.len && p->name.text[p->name.len - 1] == '*' && !p->name.quoted;
	if (pattern)
		p->name.len--;
	u = calloc(1, sizeof *u + p->name.len + p->password.len + attrs);
	if (!u)
		return fail(p, "no memory");
	u->name_len = (uint8_t)p->name.len;
	u->password_len = (uint8_t)p->password.len;
	u->attrs_len = (uint16_t)attrs;
	u->reject = p->reject;
	memcpy(u->octets, p->name.text, p->name.len);
	memcpy(u->octets + p->name.len, p->password.text, p->password.len);
	memcpy(u->octets + p->name.len + p->password.len, p->attrs, attrs);
	if (pattern) {
		if (us->last_pattern)
			us->last_pattern->next_pattern = u;
		else
			us->patterns = u;
		us->last_pattern = u;
	} else {
		HASH_FIND(hh, us->exact, u->octets, u->name_len, other);
		if (other) {
			free(u);
			p->line.number = p->opened_at;
			return fail(p, "user \"%.64s\" is in the file twice", p->name.text);
		}
		HASH_ADD_KEYPTR(hh, us->exact, u->octets, u->name_len, u);
	}
	us->n++;
	return true;
}

static bool
start(struct parse *p)
{
	if (!finish(p))
		return false;
	if (!word(p, "a user's name", &p->name) || !word(p, "a password", &p->password))
		return false;
	if (p->name.len > RAD_VALUE_MAX || p->password.len > 128)
		return fail(p, "name longer than %d or password longer than 128 octets", RAD_VALUE_MAX);
	p->open = true;
	p->reject = false;
	p->opened_at = p->line.number;
	p->w = wr_of(p->attrs, sizeof p->attrs);
	return attributes(p);
}

static bool
parse_line(struct parse *p)
{
	bool indented = p->line.p < p->line.end && blank(*p->line.p);

	if (at_end(&p->line))
		return true;
	if (!indented)
		return start(p);
	if (!p->open)
		return fail(p, "an indented line belongs to a user, and no user came before it");
	return attributes(p);
}

struct users *
users_parse(struct span text, char *error, size_t error_len)
{
	struct parse *p = calloc(1, sizeof *p);
	struct users *us = calloc(1, sizeof *us);
	const uint8_t *at = text.p, *end = text.p + text.len;
	bool ok = p && us;

	if (!ok) {
		snprintf(error, error_len, "no memory");
		free(p);
		free(us);
		return NULL;
	}
	*p = (struct parse){ .users = us, .error = error, .error_len = error_len };
	while (ok && at < end) {
		const uint8_t *nl = memchr(at, '\n', (size_t)(end - at));

		p->line.p = at;
		p->line.end = nl ? nl : end;
		p->line.number++;
		ok = parse_line(p);
		at = nl ? nl + 1 : end;
	}
	ok = ok && finish(p);
	free(p);
	if (ok)
		return us;
	users_free(us);
	return NULL;
}

struct users *
users_load(const char *path, char *error, size_t error_len)
{
	FILE *f = fopen(path, "rb");
	struct users *us = NULL;
	uint8_t *buf = NULL;
	size_t n = 0, cap = 0;

	if (!f) {
		snprintf(error, error_len, "%s: %s", path, strerror(errno));
		return NULL;
	}
	for (;;) {
		if (n == cap) {
			cap = cap ? cap * 2 : 65536;
			uint8_t *more = cap <= FILE_MAX ? realloc(buf, cap) : NULL;
			if (!more) {
				snprintf(error, error_len, "%s: too large", path);
				goto out;
			}
			buf = more;
		}
		size_t got = fread(buf + n, 1, cap - n, f);
		if (got == 0)
			break;
		n += got;
	}
	if (ferror(f))
		snprintf(error, error_len, "%s: %s", path, strerror(errno));
	else
		us = users_parse(span_of(buf, n), error, error_len);
out:
	free(buf);
	fclose(f);
	return us;
}

void
users_free(struct users *us)
{
	struct user *u, *tmp;

	if (!us)
		return;
	HASH_ITER (hh, us->exact, u, tmp) {
		HASH_DELETE(hh, us->exact, u);
		free(u);
	}
	for (u = us->patterns; u; u = tmp) {
		tmp = u->next_pattern;
		free(u);
	}
	free(us);
}

unsigned
users_count(const struct users *us)
{
	return us ? us->n : 0;
}

static const struct user *
find(const struct users *us, const char *name, size_t len)
{
	struct user *u;

	HASH_FIND(hh, us->exact, name, len, u);
	if (u)
		return u;
	for (u = us->patterns; u; u = u->next_pattern)
		if (len >= u->name_len && memcmp(name, u->octets, u->name_len) == 0)
			return u;
	return NULL;
}

void
users_ask(const struct users *us, const struct aaa_request *q, struct aaa_answer *a, bool *known)
{
	const struct user *u = us ? find(us, q->name, q->name_len) : NULL;
	struct ppp_auth_result r = { 0 };

	*a = (struct aaa_answer){
		.token = q->token, .tunnel = q->tunnel, .session = q->session, .local = true, .verdict = AAA_REJECT
	};
	aaa_name_clean(span_of(q->name, q->name_len), a->user);
	*known = u != NULL;
	if (!u)
		return;
	if (!u->reject)
		ppp_verify((enum ppp_auth)q->auth, q->chap_id, span_of(q->name, q->name_len),
			   span_of(q->challenge, q->challenge_len), span_of(q->response, q->response_len),
			   span_of(u->octets + u->name_len, u->password_len), &r);
	/* Whoever does not know the password hears nothing that was meant for the user. */
	if (r.ok || u->reject)
		aaa_grant_read(span_of(u->octets + u->name_len + u->password_len, u->attrs_len), q->chap_id, a);
	if (!r.ok)
		return;
	a->verdict = AAA_ACCEPT;
	a->has_proof = q->auth == PPP_AUTH_MSCHAPV2;
	memcpy(a->mschap_proof, r.mschap_proof, sizeof a->mschap_proof);
}
