// SPDX-License-Identifier: Apache-2.0
/*
 * Commands: words in, one answer out (proto/command.proto).  The process's end is a ROUTER, so that
 * an asker that goes away, or says nonsense, cannot block the next one, and an answer may come
 * later.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include "bus/bus_impl.h"
#include "command.pb-c.h"

#define WORDS 64
#define REQUEST_OCTETS 65536

struct endpoint_of_commands {
	bus_command_fn *fn;
	void *arg;
};

struct answer {
	struct bus_sock *sock;
	struct span identity; /* in `octets` once deferred */
	bool delimited;	      /* a REQ asks, and wants its empty frame back */
	bool ok, deferred;
	char *text, *json;
	uint8_t octets[BUS_IDENTITY];
};

/* --- the process's end --------------------------------------------------------------------- */

static bool
utf8(const char *s)
{
	for (const uint8_t *p = (const uint8_t *)s; *p;) {
		unsigned more = *p < 0x80   ? 0
				: *p < 0xc2 ? 9
				: *p < 0xe0 ? 1
				: *p < 0xf0 ? 2
				: *p < 0xf5 ? 3
					    : 9;
		uint32_t v = more == 0 ? *p : more > 3 ? 0 : *p & (0x3f >> more);
		if (more > 3)
			return false;
		p++;
		for (unsigned i = 0; i < more; i++, p++) {
			if ((*p & 0xc0) != 0x80)
				return false;
			v = v << 6 | (*p & 0x3f);
		}
		if ((more == 2 && (v < 0x800 || (v >= 0xd800 && v < 0xe000))) ||
		    (more == 3 && (v < 0x10000 || v > 0x10ffff)))
			return false;
	}
	return true;
}

static bool
words_fit(const Command__Request *r)
{
	if (r->n_words == 0 || r->n_words > WORDS)
		return false;
	for (size_t i = 0; i < r->n_words; i++) {
		if (!utf8(r->words[i]))
			return false;
	}
	return true;
}

static void
answer_clear(struct answer *a)
{
	free(a->text);
	free(a->json);
	a->text = a->json = NULL;
}

static void
answer_now(struct answer *a)
{
	Command__Answer m = COMMAND__ANSWER__INIT;

	m.ok = a->ok;
	if (a->text)
		m.text = a->text;
	if (a->json)
		m.json = a->json;
	size_t n = command__answer__get_packed_size(&m);
	uint8_t *octets = malloc(n ? n : 1);
	if (octets) {
		command__answer__pack(&m, octets);
		const struct span frames[] = { span_of("", 0), span_of(octets, n) };
		bus_send(a->sock, a->identity, a->delimited ? frames : frames + 1,
			 a->delimited ? 2 : 1);
	}
	free(octets);
	answer_clear(a);
}

static void
on_request(void *arg, struct bus_sock *from, struct span identity, const struct span *f, unsigned n)
{
	struct endpoint_of_commands *e = arg;
	struct answer a = { .sock = from,
			    .identity = identity,
			    .delimited = n == 2 && f[0].len == 0 };
	struct span body = f[n - 1];
	Command__Request *r = NULL;

	if ((n == 1 || a.delimited) && body.len <= REQUEST_OCTETS)
		r = command__request__unpack(NULL, body.len, body.p);
	if (r && words_fit(r))
		e->fn(e->arg, (const char *const *)r->words, (unsigned)r->n_words, &a);
	else
		answer_say(&a, false, "not a request");
	if (r)
		command__request__free_unpacked(r, NULL);
	if (!a.deferred)
		answer_now(&a);
}

static void
commands_fini(struct bus_sock *s)
{
	free(s->arg);
}

struct bus_sock *
bus_rep(struct bus *b, const char *process, bus_command_fn *fn, void *arg)
{
	char name[80], at[160];
	struct endpoint_of_commands *e = malloc(sizeof *e);

	if (!e)
		return NULL;
	*e = (struct endpoint_of_commands){ fn, arg };
	snprintf(name, sizeof name, "cmd.%s", process);
	struct bus_sock *s =
	    bus_endpoint(b, name, at) ? NULL : bus_sock_open(b, ZMQ_ROUTER, on_request, e);
	if (!s) {
		free(e);
		return NULL;
	}
	s->fini = commands_fini;
	return bus_sock_bind(s, at);
}

void
answer_say(struct answer *a, bool ok, const char *fmt, ...)
{
	va_list ap;

	free(a->text);
	va_start(ap, fmt);
	if (vasprintf(&a->text, fmt, ap) < 0)
		a->text = NULL;
	va_end(ap);
	a->ok = ok;
}

void
answer_json(struct answer *a, const char *json)
{
	free(a->json);
	a->json = strdup(json);
}

struct answer *
answer_defer(struct answer *a)
{
	struct answer *kept = malloc(sizeof *kept);

	if (!kept || a->identity.len > sizeof kept->octets) {
		free(kept);
		return NULL;
	}
	*kept = *a;
	memcpy(kept->octets, a->identity.p, a->identity.len);
	kept->identity.p = kept->octets;
	a->deferred = true;
	a->text = a->json = NULL;
	a->sock->held++;
	return kept;
}

void
answer_send(struct answer *a)
{
	answer_now(a);
	a->sock->held--;
	free(a);
}

/* --- the asker's end ----------------------------------------------------------------------- */

/* Somebody listens at the path, or why not. */
static bool
somebody_listens(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (strlen(path) >= sizeof un.sun_path) {
		close(fd);
		errno = ENAMETOOLONG;
		return false;
	}
	strcpy(un.sun_path, path);
	bool ok =
	    fd >= 0 && (connect(fd, (struct sockaddr *)&un, sizeof un) == 0 || errno == EAGAIN);
	int e = errno;
	if (fd >= 0)
		close(fd);
	errno = e;
	return ok;
}

static bool
no_answer(char **text, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(text, fmt, ap) < 0)
		*text = NULL;
	va_end(ap);
	return false;
}

/* The answer's octets in `in`, which the caller closes; false: none within the time. */
static bool
ask(void *zmq, const char *endpoint, const char *const *words, unsigned n, unsigned timeout_ms,
    zmq_msg_t *in)
{
	Command__Request r = COMMAND__REQUEST__INIT;
	int wait = (int)timeout_ms, linger = 0;

	r.words = (char **)words;
	r.n_words = n;
	zmq_setsockopt(zmq, ZMQ_LINGER, &linger, sizeof linger);
	zmq_setsockopt(zmq, ZMQ_SNDTIMEO, &wait, sizeof wait);
	zmq_setsockopt(zmq, ZMQ_RCVTIMEO, &wait, sizeof wait);
	size_t len = command__request__get_packed_size(&r);
	uint8_t *octets = malloc(len + 1);
	if (!octets)
		return false;
	command__request__pack(&r, octets);
	bool ok = zmq_connect(zmq, endpoint) == 0 && zmq_send(zmq, octets, len, 0) >= 0 &&
		  zmq_msg_recv(in, zmq, 0) >= 0;
	free(octets);
	return ok;
}

bool
bus_req_once(const char *run_dir, const char *process, const char *const *words, unsigned n,
	     unsigned timeout_ms, bool *ok, char **text, char **json)
{
	char endpoint[512];
	Command__Answer *a = NULL;
	zmq_msg_t in;

	*ok = false;
	*text = *json = NULL;
	snprintf(endpoint, sizeof endpoint, "ipc://%s/cmd.%s", run_dir, process);
	if (!somebody_listens(endpoint + strlen("ipc://")))
		return no_answer(text, "%s is not running: %s: %s", process,
				 endpoint + strlen("ipc://"), strerror(errno));
	void *ctx = zmq_ctx_new();
	void *zmq = ctx ? zmq_socket(ctx, ZMQ_REQ) : NULL;
	zmq_msg_init(&in);
	bool answered = zmq && ask(zmq, endpoint, words, n, timeout_ms, &in);
	if (answered)
		a = command__answer__unpack(NULL, zmq_msg_size(&in), zmq_msg_data(&in));
	zmq_msg_close(&in);
	if (zmq)
		zmq_close(zmq);
	if (ctx)
		zmq_ctx_term(ctx);
	if (!a)
		return no_answer(text,
				 answered ? "%s gave an answer that cannot be read (%u)"
					  : "%s did not answer within %u ms",
				 process, timeout_ms);
	*ok = a->ok;
	*text = strdup(a->text);
	*json = strdup(a->json);
	command__answer__free_unpacked(a, NULL);
	return true;
}
