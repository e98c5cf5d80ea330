// SPDX-License-Identifier: Apache-2.0
/*
 * The configuration, in the few hundred microseconds that a restart within the lease allows.  What
 * libyang validated is kept in RUN/elector.conf as the plain structs it became, under the name, size and
 * change time of the file it came from, and of the secret's; a file that has not changed is not validated again.
 * A copy that does not fit in any way is ignored.
 *
 * A reload validates in a child, which leaves the copy: it takes some ten milliseconds, and in the fast setting a
 * twin would take over meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "shell.h"

#define COPY_MAGIC 0x5457434f4e460005ull

struct copy {
	uint64_t magic, octets;
	int64_t sec, nsec, size;
	uint64_t ino, dev;
	struct conf_node node;
	struct conf_pair pair;
	struct conf_claim claim[CONF_CLAIMS];
	unsigned claims;
	uint8_t key[32];
	int64_t key_sec, key_nsec; /* when the secret's file was changed */
	uint64_t key_ino;
	struct elect_conf elect;
	uint64_t sum;
};

static uint64_t
sum_of(const struct copy *c)
{
	const uint8_t *p = (const uint8_t *)c;
	uint64_t h = 14695981039346656037ull;

	for (size_t i = 0; i < offsetof(struct copy, sum); i++)
		h = (h ^ p[i]) * 1099511628211ull;
	return h;
}

/*
 * The run directory before anything is parsed: looked for as text.  A wrong guess costs a full reading, no
 * more, because the copy names the file it belongs to.
 */
static bool
run_dir_guess(const char *config, char *out, size_t len)
{
	static char text[1 << 16];
	int fd = open(config, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	const char *p;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	p = strstr(text, "\"run-dir\"");
	p = p ? strchr(p, ':') : NULL;
	p = p ? strchr(p, '"') : NULL;
	if (p && strcspn(p + 1, "\"\\") < len)
		snprintf(out, len, "%.*s", (int)strcspn(p + 1, "\"\\"), p + 1);
	return n >= 0;
}

static void
copy_path(const char *config, char out[512])
{
	static struct conf defaults;
	char dir[sizeof defaults.node.run_dir];

	conf_defaults(&defaults);
	snprintf(dir, sizeof dir, "%s", defaults.node.run_dir);
	run_dir_guess(config, dir, sizeof dir);
	snprintf(out, 512, "%s/elector.conf", dir);
}

static bool
identity_of(const char *config, struct copy *c)
{
	struct stat st;

	if (stat(config, &st) < 0)
		return false;
	c->magic = COPY_MAGIC;
	c->octets = sizeof *c;
	c->sec = st.st_mtim.tv_sec;
	c->nsec = st.st_mtim.tv_nsec;
	c->size = st.st_size;
	c->ino = st.st_ino;
	c->dev = st.st_dev;
	return true;
}

/* Of the file that the key came from; nothing without one. */
static void
key_identity(struct copy *c)
{
	struct stat st;

	c->key_sec = c->key_nsec = 0;
	c->key_ino = 0;
	if (!c->pair.enabled || stat(c->pair.secret_file, &st) < 0)
		return;
	c->key_sec = st.st_mtim.tv_sec;
	c->key_nsec = st.st_mtim.tv_nsec;
	c->key_ino = st.st_ino;
}

static bool
key_is_of_today(const struct copy *c)
{
	static struct copy now;

	now.pair = c->pair;
	key_identity(&now);
	return now.key_sec == c->key_sec && now.key_nsec == c->key_nsec && now.key_ino == c->key_ino;
}

/* Ours alone: a copy that somebody else could have written is not read. */
static bool
copy_read(const char *path, const struct copy *want, struct copy *out)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool ok = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
		  !(st.st_mode & 077) && read(fd, out, sizeof *out) == sizeof *out;

	if (fd >= 0)
		close(fd);
	return ok && memcmp(want, out, offsetof(struct copy, node)) == 0 && out->sum == sum_of(out) && key_is_of_today(out);
}

static void
copy_write(const char *path, struct copy *c)
{
	char tmp[540];
	int fd;

	snprintf(tmp, sizeof tmp, "%s.%d", path, (int)getpid());
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return; /* a slower start next time, no more */
	c->sum = sum_of(c);
	if (write(fd, c, sizeof *c) != sizeof *c || rename(tmp, path) < 0)
		unlink(tmp);
	close(fd);
}

static bool
read_whole(struct shell *sh, struct copy *c, char *error, size_t len)
{
	struct conf *conf = conf_load(sh->config, sh->schema, error, len);

	if (!conf)
		return false;
	c->node = conf->node;
	c->pair = conf->pair;
	memcpy(c->claim, conf->claim, sizeof c->claim);
	c->claims = conf->claims;
	elect_conf_from(conf, &c->elect);
	conf_free(conf);
	key_identity(c);
	return !c->pair.enabled || beat_shell_key(c->pair.secret_file, c->key, error, len);
}

/* The copy, or the file and a new copy. */
static bool
copy_or_file(struct shell *sh, struct copy *c, char *error, size_t len)
{
	static struct copy kept;
	char path[512];

	memset(c, 0, sizeof *c);
	copy_path(sh->config, path);
	if (!identity_of(sh->config, c)) {
		snprintf(error, len, "%s: %s", sh->config, strerror(errno));
		return false;
	}
	if (copy_read(path, c, &kept)) {
		*c = kept;
		return true;
	}
	if (!read_whole(sh, c, error, len))
		return false;
	copy_write(path, c);
	return true;
}

/* In the child: nothing of the parent's is touched, and nobody waits for our processor. */
static void
prepare(struct shell *sh, int to)
{
	const struct sched_param none = { .sched_priority = 0 };
	static struct copy c;
	char error[CONF_TEXT] = "no reason given";

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sched_setscheduler(0, SCHED_OTHER, &none);
	if (!copy_or_file(sh, &c, error, sizeof error) && write(to, error, strlen(error)) < 0)
		_exit(1);
	_exit(0);
}

/* The other end says what is wrong with the file, or nothing; -1: no child can be made. */
int
shell_conf_prepare(struct shell *sh)
{
	int fd[2];
	pid_t pid;

	signal(SIGCHLD, SIG_IGN); /* nobody waits for it */
	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	pid = fork();
	if (pid == 0)
		prepare(sh, fd[1]);
	close(fd[1]);
	if (pid > 0)
		return fd[0];
	close(fd[0]);
	return -1;
}

bool
shell_conf_read(struct shell *sh, char *error, size_t len)
{
	static struct copy c;

	if (!copy_or_file(sh, &c, error, len))
		return false;
	sh->node = c.node;
	sh->pair = c.pair;
	memcpy(sh->key, c.key, sizeof sh->key);
	elect_conf_set(&sh->core, &c.elect);
	log_level(c.node.log_level);
	addr_shell_conf(sh, c.claim, c.claims);
	return true;
}
