// SPDX-License-Identifier: Apache-2.0
/*
 * Addresses and who has them: IPv4 addresses and IPv6 prefixes, from configured pools or given by AAA.
 *
 * The state is the sum of the `lease` rows and nothing else, so a standby that applied the same rows
 * knows the same free addresses.  Nothing is allocated for an address that was never used: a pool of
 * any size costs a few octets.  Choosing is separate from taking: pools_pick() says which address it
 * would be, the caller records the row, and pools_apply() of that row makes it so.
 *
 * A lease that was given up is kept for its user, who gets the same address again while nobody else
 * needed it.  Order of choice: the address kept for the user, an address never used, the address that
 * has been free for the longest time.
 *
 * One address is held once on the node, in whichever pool: pools that overlap cannot double it.
 */
#ifndef SM_POOL_H
#define SM_POOL_H

#include <stdbool.h>

#include "base/addr.h"
#include "conf/conf.h"
#include "names.h"

#define POOL_KEEP_MAX 65536	/* free leases kept per pool for their users */
#define POOL_RESERVED_MAX 64

/* A lease is known by its base address: two prefixes with one base overlap, whatever their lengths. */
struct lease_key {
	uint8_t b[16];
	uint8_t family, len;
};
#define LEASE_KEY_OCTETS offsetof(struct lease_key, len)

struct pool;

struct lease {
	UT_hash_handle hh;
	struct lease_key key;
	uint16_t tunnel, session; /* both 0: free, kept for `user` */
	uint32_t since;		  /* seconds since 1970 */
	struct name *user;
	struct name *pool_name; /* "" : given by AAA, in no pool */
	struct pool *pool;	/* NULL: no such pool is configured (any more) */
	union {
		struct lease *next_held; /* held: the caller's list of one session's leases */
		struct {
			struct lease *prev, *next;	     /* pool's free leases, oldest first */
			struct lease *user_prev, *user_next; /* the user's free leases */
		} f;
	};
};

typedef unsigned __int128 u128;

struct pool {
	struct name *name;
	uint8_t family, unit_len, alarm_percent;
	struct {
		u128 first;
		uint64_t n; /* units */
	} range[CONF_RANGES];
	unsigned ranges;
	uint64_t total;	 /* units in all ranges */
	uint64_t held, kept;
	uint64_t cursor; /* where to look for a never-used one: a hint, not state */
	struct lease *oldest; /* free list */
};

struct pools {
	struct names *names;
	struct lease *by_addr;
	struct pool pool[CONF_POOLS];
	unsigned n;
	struct ip_addr reserved[POOL_RESERVED_MAX]; /* never leased: our own addresses */
	unsigned reserved_n;
	uint64_t held; /* leases held, all pools and none */
	uint32_t lens6[129]; /* held IPv6 prefixes by length */
};

enum pool_answer {
	POOL_OK,
	POOL_UNKNOWN,	/* no pool of that name, or of another family */
	POOL_EXHAUSTED,
	POOL_TAKEN,	/* the address asked for is held by another session */
	POOL_OUTSIDE,	/* the address asked for is not in the pool, or is one of ours */
};

const char *pool_answer_name(enum pool_answer);

struct lease_choice {
	struct lease_key key;
	const char *pool; /* lent; "" for none */
	struct lease *was; /* the free lease it is now, or NULL.  Of another pool: remove that row first */
};

void pools_init(struct pools *, struct names *);
void pools_fini(struct pools *);

/* Takes the pools as configured; leases stay, those of a pool that is gone until their sessions end. */
void pools_configure(struct pools *, const struct conf_pool *, unsigned n);
/* One of the node's own addresses; forgotten at the next pools_configure. */
void pools_reserve(struct pools *, const struct ip_addr *);

struct pool *pools_find(struct pools *, const char *name);
struct lease *pools_lease(struct pools *, const struct lease_key *);

/* Which address of pool `name` would `user` get?  Changes no state. */
enum pool_answer pools_pick(struct pools *, const char *name, uint8_t family, const char *user,
			    struct lease_choice *out);
/* May the session have exactly this one, in pool `name`?  Used for an address that the peer asks for. */
enum pool_answer pools_pick_in(struct pools *, const char *name, const struct lease_key *, struct lease_choice *out);
/* ... in whichever pool has it, or in none: an address that AAA gives. */
enum pool_answer pools_pick_framed(struct pools *, const struct lease_key *, struct lease_choice *out);

struct lease_key lease_key_of(const struct ip_prefix *);
struct lease_key lease_key_v4(uint32_t host_order);
struct ip_prefix lease_prefix(const struct lease_key *);

/*
 * A lease row was written: NULL if its key is not a lease key or there is no memory.  A holder's list
 * (next_held) must have been unlinked by the caller before; it links the lease anew afterwards.
 */
struct lease *pools_apply(struct pools *, const struct lease_key *, const char *pool, const char *user,
			  uint16_t tunnel, uint16_t session, uint64_t since);
void pools_remove(struct pools *, struct lease *);

static inline bool
lease_held(const struct lease *l)
{
	return l->tunnel != 0 || l->session != 0;
}

/* Whether a lease that is given up should be kept for its user, or its row removed. */
bool pools_worth_keeping(const struct lease *);
/* The free lease to forget because too many are kept, or NULL. */
struct lease *pools_surplus(struct pool *);
/* Held in percent of all, rounded down. */
unsigned pool_percent(const struct pool *);

#endif
