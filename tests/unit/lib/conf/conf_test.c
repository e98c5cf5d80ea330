// SPDX-License-Identifier: Apache-2.0
/*
 * The configuration library: what a file becomes, what a wrong file is told, and that three things stay
 * in step: the YANG module, the tables of fields.c and the defaults in C.
 */
#include "conf/conf.h"

#include <check.h>
#include <libyang/libyang.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/fields.h"

#define SCHEMAS TWIN_SOURCE_DIR "/schemas"
#define EXAMPLES TWIN_SOURCE_DIR "/deploy/examples/"

static char error[512];

static struct conf *
parse(const char *json)
{
	error[0] = 0;
	return conf_parse(json, strlen(json), "test", NULL, error, sizeof error);
}

/* The file `body`, inside the outer braces; must be right. */
static struct conf *
good(const char *body)
{
	char json[8192];

	snprintf(json, sizeof json, "{\"twinlns:twinlns\":{%s}}", body);
	struct conf *c = parse(json);
	ck_assert_msg(c != NULL, "%s", error);
	return c;
}

/* And one that must be refused with words of `place` and `why` in the error. */
static void
bad(const char *body, const char *place, const char *why)
{
	char json[8192];

	snprintf(json, sizeof json, "{\"twinlns:twinlns\":{%s}}", body);
	ck_assert_msg(parse(json) == NULL, "accepted: %s", body);
	ck_assert_msg(strstr(error, place) && strstr(error, why), "expected '%s' and '%s' in: %s", place, why, error);
}

START_TEST(an_empty_configuration_is_the_defaults)
{
	struct conf *c = good(""), d;

	conf_defaults(&d);
	ck_assert_mem_eq(c, &d, sizeof d);
	conf_free(c);
}
END_TEST

/* Entries of lists: a minimal one in JSON against the defaults function and what JSON had to say. */
START_TEST(entries_start_from_the_defaults_of_their_kind)
{
	struct conf *c = good("\"profile\":[{\"name\":\"p\",\"ppp\":\"q\"},{\"name\":\"l\",\"host-name\":\"h\",\"roles\":\"lac\"}],"
			      "\"ppp\":[{\"name\":\"q\"}],\"lns-group\":[{\"name\":\"g\",\"profile\":\"l\","
			      "\"member\":[{\"address\":\"192.0.2.1\"}]}],"
			      "\"dial\":[{\"name\":\"d\",\"lns-group\":\"g\"}],"
			      "\"steering\":[{\"name\":\"t\",\"user\":\"u\"}],"
			      "\"pool\":[{\"name\":\"v\",\"range\":[{\"first\":\"10.0.0.1\",\"last\":\"10.0.0.2\"}]}],"
			      "\"aaa\":{\"server\":[{\"address\":\"::1\",\"secret\":\"s\"}]}");
	struct conf_profile p;
	struct conf_ppp q;
	struct conf_lns_group g;
	struct conf_dial d;
	struct conf_steer t;
	struct conf_pool v;
	struct conf_radius_server s;

	conf_profile_defaults(&p);
	strcpy(p.name, "p");
	strcpy(p.ppp, "q");
	ck_assert_mem_eq(&c->profile[0], &p, sizeof p);
	conf_ppp_defaults(&q);
	strcpy(q.name, "q");
	ck_assert_mem_eq(&c->ppp[0], &q, sizeof q);
	conf_lns_group_defaults(&g);
	strcpy(g.name, "g");
	strcpy(g.profile, "l");
	g.members = 1;
	g.member[0].preference = 100;
	g.member[0].peer.port = 1701;
	ck_assert(ip_addr_parse("192.0.2.1", &g.member[0].peer.addr));
	ck_assert_mem_eq(&c->lns_group[0], &g, sizeof g);
	conf_dial_defaults(&d);
	strcpy(d.name, "d");
	strcpy(d.lns_group, "g");
	ck_assert_mem_eq(&c->dial[0], &d, sizeof d);
	conf_steer_defaults(&t);
	strcpy(t.name, "t");
	strcpy(t.user, "u");
	ck_assert_mem_eq(&c->steer[0], &t, sizeof t);
	conf_pool_defaults(&v);
	strcpy(v.name, "v");
	v.ranges = 1;
	ck_assert(ip_addr_parse("10.0.0.1", &v.range[0].first) && ip_addr_parse("10.0.0.2", &v.range[0].last));
	ck_assert_mem_eq(&c->pool[0], &v, sizeof v);
	conf_radius_server_defaults(&s);
	strcpy(s.secret, "s");
	ck_assert(ip_addr_parse("::1", &s.addr));
	ck_assert_mem_eq(&c->aaa.server[0], &s, sizeof s);
	conf_free(c);
}
END_TEST

START_TEST(an_ipv6_pool_leases_64s_unless_told_otherwise)
{
	struct conf *c = good("\"pool\":[{\"name\":\"v\",\"family\":\"ipv6\",\"range\":[{\"first\":\"2001:db8::\",\"last\":\"2001:db8:0:ff::\"}]},"
			      "{\"name\":\"w\",\"family\":\"ipv6\",\"prefix-length\":56,\"range\":[{\"first\":\"2001:db8::\",\"last\":\"2001:db8:0:ff00::\"}]}]");

	ck_assert_uint_eq(c->pool[0].family, 6);
	ck_assert_uint_eq(c->pool[0].delegate_len, 64);
	ck_assert_uint_eq(c->pool[1].delegate_len, 56);
	conf_free(c);
}
END_TEST

/* Rows and nodes of one place, both ways. */
static void
same_names(const struct lysc_node *parent, const struct field *rows)
{
	const struct lysc_node *n;

	for (n = lysc_node_child(parent); n; n = n->next) {
		const struct field *r = rows;
		while (r->name && strcmp(r->name, n->name) != 0)
			r++;
		ck_assert_msg(r->name != NULL, "no row in fields.c for %s/%s", parent->name, n->name);
		if (n->nodetype & (LYS_CONTAINER | LYS_LIST))
			same_names(n, r->sub);
		if (n->nodetype == LYS_LIST)
			ck_assert_uint_eq(((const struct lysc_node_list *)n)->max, r->max);
		if (n->nodetype == LYS_LEAFLIST)
			ck_assert_uint_eq(((const struct lysc_node_leaflist *)n)->max, r->max);
	}
	for (const struct field *r = rows; r->name; r++) {
		for (n = lysc_node_child(parent); n && strcmp(n->name, r->name) != 0; n = n->next)
			;
		ck_assert_msg(n != NULL, "no node in twinlns.yang for row %s of %s", r->name, parent->name);
	}
}

START_TEST(module_and_tables_name_the_same_nodes_with_the_same_room)
{
	struct ly_ctx *ctx;
	const struct lys_module *m;

	ck_assert(ly_ctx_new(SCHEMAS, LY_CTX_NO_YANGLIBRARY, &ctx) == LY_SUCCESS);
	m = ly_ctx_load_module(ctx, "twinlns", NULL, NULL);
	ck_assert_ptr_nonnull(m);
	same_names(m->compiled->data, conf_fields);
	ly_ctx_destroy(ctx);
}
END_TEST

/* Every typed text has room for the longest value the module lets through. */
START_TEST(the_longest_texts_fit)
{
	char json[4096], name[64], text[256], dir[76];
	struct conf *c;

	memset(name, 'n', 63), name[63] = 0;
	memset(text, 't', 255), text[255] = 0;
	memset(dir, 'd', 75), dir[0] = '/', dir[75] = 0;
	snprintf(json, sizeof json,
		 "\"node\":{\"name\":\"%s\",\"run-dir\":\"%s\"},\"profile\":[{\"name\":\"%s\",\"roles\":\"lac client lns\","
		 "\"local-host-name\":\"%s\",\"host-name\":\"%s\",\"secret\":\"%s\",\"ppp\":\"%s\"}],\"ppp\":[{\"name\":\"%s\"}]",
		 name, dir, name, name, name, text, name, name);
	c = good(json);
	ck_assert_str_eq(c->profile[0].secret, text);
	ck_assert_str_eq(c->profile[0].host_name, name);
	ck_assert_uint_eq(c->profile[0].roles, ROLE_LNS | ROLE_LAC | ROLE_CLIENT);
	ck_assert_str_eq(c->node.run_dir, dir);
	conf_free(c);
}
END_TEST

START_TEST(a_text_longer_in_octets_than_in_characters_is_refused)
{
	char json[2048] = "\"profile\":[{\"name\":\"p\",\"roles\":\"lac\",\"secret\":\"";

	for (unsigned i = 0; i < 200; i++)
		strcat(json, "\xc3\xa9");
	strcat(json, "\"}]");
	bad(json, "secret", "too many octets");
}
END_TEST

static const char *const examples[] = { "single", "pair-a", "pair-b", "lac", "client" };

START_TEST(every_example_is_valid)
{
	char file[256];
	struct conf *c;

	snprintf(file, sizeof file, EXAMPLES "%s.json", examples[_i]);
	c = conf_load(file, SCHEMAS, error, sizeof error);
	ck_assert_msg(c != NULL, "%s", error);
	conf_free(c);
}
END_TEST

START_TEST(the_pair_example_says_what_it_says)
{
	struct conf *a = conf_load(EXAMPLES "pair-a.json", NULL, error, sizeof error);
	struct conf *b = conf_load(EXAMPLES "pair-b.json", NULL, error, sizeof error);
	char t[ADDR_TEXT];

	ck_assert(a && b);
	ck_assert(a->pair.enabled && a->pair.preferred && !b->pair.preferred);
	ck_assert(endpoint_eq(&a->pair.mirror_listen, &b->pair.mirror_twin));
	ck_assert_uint_eq(a->pair.paths, 2);
	ck_assert(endpoint_eq(&a->pair.path[1].local, &b->pair.path[1].twin));
	ck_assert_uint_eq(a->claims, 4);
	ck_assert_str_eq(a->claim[2].interface, "core0");
	ck_assert_str_eq(ip_prefix_text(&a->claim[0].addr, t), "203.0.113.1/24");
	ck_assert_uint_eq(a->data.listens, 2);
	ck_assert_uint_eq(a->data.listen[1].port, 1701);
	ck_assert_str_eq(ip_prefix_text(&a->profile[0].peer, t), "203.0.113.128/25");
	ck_assert_uint_eq(a->ppp[0].auths, 2);
	ck_assert_uint_eq(a->ppp[0].auth[0], AUTH_CHAP_MD5);
	ck_assert_uint_eq(a->ppp[0].dns_count, 2);
	ck_assert_uint_eq(a->pool[2].delegate_len, 56);
	ck_assert_uint_eq(a->aaa.mode, AAA_RADIUS_THEN_LOCAL);
	ck_assert_uint_eq(a->aaa.servers, 2);
	ck_assert(a->aaa.acct);
	conf_free(a);
	conf_free(b);
}
END_TEST

/* What is wrong, where the error must point, and a word of why. */
static const struct {
	const char *body, *place, *why;
} wrong[] = {
	{ "\"node\":{\"nam\":\"a\"}", "/twinlns:twinlns/node", "nam" },
	{ "\"node\":{\"name\":\"a b\"}", "node/name", "a b" },
	{ "\"node\":{\"run-dir\":\"run\"}", "node/run-dir", "run" },
	{ "\"node\":{\"log-level\":\"loud\"}", "node/log-level", "loud" },
	{ "\"node\":{\"store-octets\":\"1\"}", "node/store-octets", "range" },
	{ "\"pair\":{\"enabled\":true}", "/twinlns:twinlns/pair", "mirror-listen" },
	{ "\"pair\":{\"enabled\":true,\"mirror-listen\":{\"address\":\"192.0.2.1\",\"port\":1},"
	  "\"mirror-twin\":{\"address\":\"192.0.2.2\",\"port\":1}}", "/twinlns:twinlns/pair", "secret-file" },
	{ "\"pair\":{\"enabled\":true,\"secret-file\":\"/s\",\"mirror-listen\":{\"address\":\"192.0.2.1\",\"port\":1},"
	  "\"mirror-twin\":{\"address\":\"192.0.2.2\",\"port\":1}}", "/twinlns:twinlns/pair", "at least one path" },
	{ "\"pair\":{\"enabled\":true,\"secret-file\":\"/s\",\"mirror-listen\":{\"address\":\"192.0.2.1\",\"port\":1},"
	  "\"mirror-twin\":{\"address\":\"::1\",\"port\":1},\"path\":[{\"name\":\"m\",\"local\":{\"address\":\"192.0.2.1\",\"port\":1},"
	  "\"twin\":{\"address\":\"192.0.2.2\",\"port\":1}}]}", "/twinlns:twinlns/pair", "different address families" },
	{ "\"pair\":{\"path\":[{\"name\":\"m\",\"local\":{\"address\":\"192.0.2.1\",\"port\":1},"
	  "\"twin\":{\"address\":\"::1\",\"port\":1}}]}", "path[name='m']", "one address family" },
	{ "\"pair\":{\"mirror-listen\":{\"address\":\"192.0.2.1\"}}", "mirror-listen", "port" },
	{ "\"pair\":{\"lease-time\":100}", "/twinlns:twinlns/pair", "dead-time" },
	{ "\"pair\":{\"heartbeat-interval\":40}", "/twinlns:twinlns/pair", "twice heartbeat-interval" },
	{ "\"service-address\":[{\"interface\":\"e\",\"address\":\"10.0.0.1\",\"prefix-length\":33}]", "service-address", "32" },
	{ "\"service-address\":[{\"interface\":\"much-too-long-a-name\",\"address\":\"10.0.0.1\",\"prefix-length\":3}]",
	  "interface", "length" },
	{ "\"data-plane\":{\"workers\":0}", "data-plane/workers", "0" },
	{ "\"data-plane\":{\"listen\":[{\"address\":\"10.0.0.1\"},{\"address\":\"10.0.0.2\"}]}", "listen", "each family" },
	{ "\"data-plane\":{\"ip-protocol\":[17]}", "ip-protocol", "17" },
	{ "\"data-plane\":{\"ip-protocol\":[115,200,201]}", "ip-protocol", "" },
	{ "\"data-plane\":{\"listen\":[{\"address\":\"fe80::1%eth0\"}]}", "listen", "fe80::1%eth0" },
	{ "\"profile\":[{\"name\":\"p\"}]", "profile[name='p']", "ppp" },
	{ "\"profile\":[{\"name\":\"p\",\"ppp\":\"q\"}]", "profile[name='p']/ppp", "q" },
	{ "\"profile\":[{\"name\":\"p\",\"roles\":\"lac\",\"hide\":true}]", "profile[name='p']", "secret" },
	{ "\"profile\":[{\"name\":\"p\",\"roles\":\"lac\",\"require-auth\":true}]", "profile[name='p']", "secret" },
	{ "\"profile\":[{\"name\":\"p\",\"roles\":\"lac\",\"window\":0}]", "window", "0" },
	{ "\"profile\":[{\"name\":\"p\",\"roles\":\"lac\",\"host-name\":\"a*b\"}]", "host-name", "a*b" },
	{ "\"profile\":[{\"name\":\"p\",\"roles\":\"lac\",\"peer\":\"10.0.0.0/33\"}]", "peer", "10.0.0.0/33" },
	{ "\"profile\":[{\"name\":\"p\",\"roles\":\"lac\",\"retransmit-initial\":9000}]", "profile[name='p']", "retransmit-cap" },
	{ "\"profile\":[{\"name\":\"p\",\"roles\":\"lac\",\"retransmit-initial\":100,\"retransmit-cap\":7999}]",
	  "profile[name='p']/retransmit-cap", "8000 ms at least" },
	{ "\"profile\":[{\"name\":\"p\",\"roles\":\"lac\"},{\"name\":\"p\",\"roles\":\"lac\",\"host-name\":\"x\"}]", "profile", "p" },
	{ "\"profile\":[{\"name\":\"p\",\"roles\":\"lac\"},{\"name\":\"q\",\"roles\":\"lac\"}]", "profile[name='q']", "same peer" },
	{ "\"lns-group\":[{\"name\":\"g\",\"member\":[{\"address\":\"::1\"}]}]", "lns-group/profile", "Mandatory" },
	{ "\"profile\":[{\"name\":\"p\",\"roles\":\"lac\"}],\"lns-group\":[{\"name\":\"g\",\"profile\":\"p\"}]", "lns-group", "member" },
	{ "\"ppp\":[{\"name\":\"q\"}],\"profile\":[{\"name\":\"p\",\"ppp\":\"q\"}],"
	  "\"lns-group\":[{\"name\":\"g\",\"profile\":\"p\",\"member\":[{\"address\":\"::1\"}]}]", "lns-group", "role lac or client" },
	{ "\"dial\":[{\"name\":\"d\",\"lns-group\":\"g\"}]", "dial[name='d']/lns-group", "g" },
	{ "\"steering\":[{\"name\":\"t\",\"user\":\"u\",\"first-port\":9,\"last-port\":8}]", "steering[name='t']", "above" },
	{ "\"steering\":[{\"name\":\"t\"}]", "steering/user", "andatory" },
	{ "\"ppp\":[{\"name\":\"q\",\"auth\":[\"none\",\"pap\"]}]", "ppp[name='q']", "stands alone" },
	{ "\"ppp\":[{\"name\":\"q\",\"ipv4\":false,\"ipv6\":false}]", "ppp[name='q']", "ipv4 and ipv6" },
	{ "\"ppp\":[{\"name\":\"q\",\"mru\":64}]", "mru", "64" },
	{ "\"ppp\":[{\"name\":\"q\",\"multiplexing\":{\"default-pid\":34}}]", "ppp[name='q']/multiplexing/default-pid", "no PPP protocol number" },
	{ "\"ppp\":[{\"name\":\"q\",\"multiplexing\":{\"default-pid\":257}}]", "ppp[name='q']/multiplexing/default-pid", "no PPP protocol number" },
	{ "\"ppp\":[{\"name\":\"q\",\"pool\":\"v\"}]", "ppp[name='q']/pool", "v" },
	{ "\"ppp\":[{\"name\":\"q\",\"pool6\":\"v\"}],\"pool\":[{\"name\":\"v\",\"range\":[{\"first\":\"10.0.0.1\",\"last\":\"10.0.0.2\"}]}]",
	  "pool6", "IPv6 pool" },
	{ "\"pool\":[{\"name\":\"v\",\"range\":[{\"first\":\"10.0.0.2\",\"last\":\"10.0.0.1\"}]}]", "range[first='10.0.0.2']", "below first" },
	{ "\"pool\":[{\"name\":\"v\",\"range\":[{\"first\":\"10.0.0.2\",\"last\":\"::1\"}]}]", "range", "family" },
	{ "\"pool\":[{\"name\":\"v\",\"prefix-length\":64,\"range\":[{\"first\":\"10.0.0.2\",\"last\":\"10.0.0.3\"}]}]", "prefix-length", "" },
	{ "\"pool\":[{\"name\":\"v\",\"range\":[{\"first\":\"10.0.0.1\",\"last\":\"10.0.0.9\"},{\"first\":\"10.0.0.9\",\"last\":\"10.0.0.10\"}]}]",
	  "range[first='10.0.0.9']", "overlaps" },
	{ "\"pool\":[{\"name\":\"v\",\"family\":\"ipv6\",\"range\":[{\"first\":\"2001:db8::1\",\"last\":\"2001:db8:0:ff::\"}]}]",
	  "range[first='2001:db8::1']", "/64" },
	{ "\"aaa\":{\"mode\":\"radius\"}", "/twinlns:twinlns/aaa", "server" },
	{ "\"aaa\":{\"accounting\":true}", "/twinlns:twinlns/aaa", "server" },
	{ "\"aaa\":{\"server\":[{\"address\":\"::1\"}]}", "server", "secret" },
	{ "\"limits\":{\"max-tunnels\":65536}", "max-tunnels", "65536" },
	{ "\"profile\":[{\"name\":\"p\",\"roles\":\"lac\",\"version\":\"3\",\"l2tpv3\":{\"transport\":\"ip\"}}]", "l2tpv3", "data-plane/ip-protocol" },
	{ "\"data-plane\":{\"ip-protocol\":[115]},\"profile\":[{\"name\":\"p\",\"roles\":\"lac\",\"version\":\"both\",\"l2tpv3\":{\"transport\":\"ip\"}}]",
	  "l2tpv3", "needs version 3" },
	{ "\"profile\":[{\"name\":\"p\",\"roles\":\"lac\",\"l2tpv3\":{\"sequencing\":\"all\"}}]", "l2tpv3", "sublayer" },
	{ "\"profile\":[{\"name\":\"p\",\"roles\":\"lac\",\"l2tpv3\":{\"cookie\":\"5\"}}]", "cookie", "5" },
	{ "\"profile\":[{\"name\":\"p\",\"roles\":\"lac\",\"l2tpv3\":{\"second-secret\":\"new\"}}]", "second-secret", "beside" },
	{ "\"profile\":[{\"name\":\"p\",\"roles\":\"lac\",\"l2tphc\":{\"offer\":\"draft-05\"}}]", "l2tphc", "ip-protocol" },
	{ "\"data-plane\":{\"ip-protocol\":[115]},\"profile\":[{\"name\":\"p\",\"roles\":\"lac\",\"l2tphc\":{\"offer\":\"draft-05\",\"no-header\":false}}]",
	  "l2tphc", "no-header" },
};

START_TEST(a_wrong_configuration_is_told_where_and_why)
{
	bad(wrong[_i].body, wrong[_i].place, wrong[_i].why);
}
END_TEST

START_TEST(a_profile_speaks_l2tpv3_and_l2tphc)
{
	struct conf *c = good("\"data-plane\":{\"ip-protocol\":[115]},\"profile\":[{\"name\":\"p\",\"roles\":\"lac\",\"version\":\"3\","
			      "\"l2tpv3\":{\"transport\":\"ip\",\"digests\":\"hmac-md5 hmac-sha1\",\"cookie\":\"4\",\"sublayer\":true,"
			      "\"sequencing\":\"non-ip\",\"router-id\":\"192.0.2.9\",\"second-secret\":\"new\"},\"secret\":\"old\","
			      "\"l2tphc\":{\"offer\":\"draft-03\",\"no-header\":false,\"id-octets\":\"0\"}}]");
	const struct conf_profile *p = &c->profile[0];

	ck_assert_int_eq(p->version, VERSION_3);
	ck_assert_int_eq(p->v3.transport, TRANSPORT_IP);
	ck_assert_uint_eq(p->v3.digests, 3);
	ck_assert_uint_eq(p->v3.cookie, 4);
	ck_assert(p->v3.sublayer && p->v3.sequencing == 1 && p->v3.rtx_tries == 10 && !p->v3.integrity);
	ck_assert_uint_eq(p->v3.router_id.b[3], 9);
	ck_assert_str_eq(p->v3.second_secret, "new");
	ck_assert_int_eq(p->l2tphc.draft, HC_DRAFT_03);
	ck_assert(!p->l2tphc.bare && p->l2tphc.id_octets == 0 && p->l2tphc.vendor == 9);
	conf_free(c);
}
END_TEST

START_TEST(what_is_no_configuration_is_refused)
{
	static char large[(1 << 20) + 1];

	ck_assert(!parse("") && !parse("{}") && !parse("[]") && !parse("{\"a:b\":1}") && !parse("{\"twinlns:twinlns\":{}"));
	ck_assert(!parse("{\"twinlns:twinlns\":{\"node\":{\"name\":7}}}"));
	ck_assert(!conf_parse("{}\0{}", 5, "t", NULL, error, sizeof error));
	ck_assert_str_eq(error, "t: a NUL octet in it: not a text");
	memset(large, ' ', sizeof large);
	ck_assert(!conf_parse(large, sizeof large, "t", NULL, error, sizeof error));
	ck_assert_str_eq(error, "t: larger than 1 MiB");
}
END_TEST

START_TEST(a_file_or_folder_that_is_not_there_is_named)
{
	ck_assert(!conf_load("/nonexistent.json", NULL, error, sizeof error));
	ck_assert_str_eq(error, "/nonexistent.json: No such file or directory");
	ck_assert(!conf_load(EXAMPLES "lac.json", "/nonexistent", error, sizeof error));
	ck_assert_ptr_nonnull(strstr(error, "schema folder"));
	ck_assert(!conf_load(EXAMPLES, NULL, error, sizeof error));
}
END_TEST

/* 0 any; 1 10/8; 2 10.1/16; 3 10/8 lac-*; 4 10/8 lac-1*; 5 10/8 lac-1; 6 2001:db8::/32 */
static struct conf *
seven_profiles(void)
{
	static const struct {
		const char *peer, *host;
	} of[] = { { NULL, "" }, { "10.0.0.0/8", "" }, { "10.1.0.0/16", "" }, { "10.0.0.0/8", "lac-*" },
		   { "10.0.0.0/8", "lac-1*" }, { "10.0.0.0/8", "lac-1" }, { "2001:db8::/32", "" } };
	struct conf *c = malloc(sizeof *c);

	conf_defaults(c);
	for (unsigned i = 0; i < sizeof of / sizeof of[0]; i++) {
		struct conf_profile *p = &c->profile[c->profiles++];
		conf_profile_defaults(p);
		snprintf(p->name, sizeof p->name, "%u", i);
		snprintf(p->host_name, sizeof p->host_name, "%s", of[i].host);
		ck_assert(!of[i].peer || ip_prefix_parse(of[i].peer, &p->peer));
	}
	return c;
}

static const struct {
	const char *peer, *host, *profile;
} finds[] = {
	{ "192.0.2.1", "lac-1", "0" },	{ "10.2.0.1", "x", "1" },      { "10.1.0.1", "lac-1", "2" },
	{ "10.2.0.1", "lac-", "3" },	{ "10.2.0.1", "lac-12", "4" }, { "10.2.0.1", "LAC-1", "5" },
	{ "2001:db8::1", "lac-1", "6" }, { "2001:db9::1", "", "0" },   { "10.2.0.1", "la", "1" },
};

START_TEST(the_longest_prefix_wins_then_the_most_specific_host_name)
{
	struct conf *c = seven_profiles();
	struct ip_addr peer;

	ck_assert(ip_addr_parse(finds[_i].peer, &peer));
	const struct conf_profile *p = conf_profile_find(c, &peer, finds[_i].host);
	ck_assert_ptr_nonnull(p);
	ck_assert_str_eq(p->name, finds[_i].profile);
	conf_free(c);
}
END_TEST

START_TEST(a_peer_that_fits_nothing_has_no_profile)
{
	struct conf *c = seven_profiles();
	struct ip_addr peer;

	c->profile[0] = c->profile[--c->profiles]; /* without "any" */
	ck_assert(ip_addr_parse("192.0.2.1", &peer));
	ck_assert_ptr_null(conf_profile_find(c, &peer, "lac-1"));
	ck_assert_ptr_null(conf_profile_find(c, &peer, NULL));
	conf_free(c);
}
END_TEST

START_TEST(entries_are_found_by_name)
{
	struct conf *c = conf_load(EXAMPLES "pair-a.json", NULL, error, sizeof error);

	ck_assert_ptr_eq(conf_profile_named(c, "anyone"), &c->profile[1]);
	ck_assert_ptr_eq(conf_pool_named(c, "delegated"), &c->pool[2]);
	ck_assert_ptr_eq(conf_ppp_named(c, "subscribers"), &c->ppp[0]);
	ck_assert_ptr_null(conf_ppp_named(c, "nobody"));
	ck_assert_ptr_null(conf_lns_group_named(c, "home"));
	conf_free(c);
}
END_TEST

START_TEST(what_a_running_process_cannot_take_up_is_named)
{
	char names[256];
	struct conf *a = good(""), *b = good("\"node\":{\"log-level\":\"debug\"},\"data-plane\":{\"mss-clamp\":false},"
					     "\"pair\":{\"degrade-time\":99}");
	struct conf *c = good("\"node\":{\"name\":\"z\",\"store-octets\":\"2097152\"},"
			      "\"data-plane\":{\"workers\":3,\"listen\":[{\"address\":\"10.0.0.1\"},{\"address\":\"::1\"}]}");
	const unsigned all = CONF_PART_NODE | CONF_PART_STORE | CONF_PART_PAIR | CONF_PART_SOCKETS;

	ck_assert(!conf_needs_restart(a, a, all, names, sizeof names));
	ck_assert(!conf_needs_restart(a, b, all, names, sizeof names));
	ck_assert_str_eq(names, "");
	ck_assert(conf_needs_restart(a, c, all, names, sizeof names));
	ck_assert_str_eq(names, "node/name,node/store-octets,data-plane/workers,data-plane/listen");
	ck_assert(conf_needs_restart(a, c, CONF_PART_SOCKETS, names, sizeof names));
	ck_assert_str_eq(names, "data-plane/workers,data-plane/listen");
	ck_assert(conf_needs_restart(a, c, all, names, 12)); /* cut, not run over */
	ck_assert_str_eq(names, "node/name,n");
	conf_free(a);
	conf_free(b);
	conf_free(c);
}
END_TEST

START_TEST(what_has_changed_is_named)
{
	char names[256];
	struct conf *a = good("\"profile\":[{\"roles\":\"lac\",\"name\":\"lac1\",\"secret\":\"one\",\"peer\":\"192.0.2.0/24\"},"
			      "{\"roles\":\"lac\",\"name\":\"old\",\"peer\":\"192.0.3.0/24\"}]");
	struct conf *b = good("\"node\":{\"log-level\":\"debug\"},\"data-plane\":{\"listen\":[{\"address\":\"::1\"}]},"
			      "\"profile\":[{\"roles\":\"lac\",\"name\":\"new\"},{\"roles\":\"lac\",\"name\":\"lac1\",\"secret\":\"two\",\"peer\":\"192.0.2.0/25\"}],"
			      "\"limits\":{\"max-tunnels\":7}");

	ck_assert_uint_eq(conf_changes(a, a, names, sizeof names), 0);
	ck_assert_str_eq(names, "");
	ck_assert_uint_eq(conf_changes(a, b, names, sizeof names), 7);
	ck_assert_str_eq(names, "node/log-level,data-plane/listen,+profile[new],profile[lac1]/peer,profile[lac1]/secret,"
				"-profile[old],limits/max-tunnels");
	ck_assert_uint_eq(conf_changes(a, b, names, 20), 7); /* cut, not run over */
	ck_assert_str_eq(names, "node/log-level,data");
	conf_free(a);
	conf_free(b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("conf");
	TCase *t = tcase_create("conf");

	tcase_add_test(t, an_empty_configuration_is_the_defaults);
	tcase_add_test(t, entries_start_from_the_defaults_of_their_kind);
	tcase_add_test(t, an_ipv6_pool_leases_64s_unless_told_otherwise);
	tcase_add_test(t, module_and_tables_name_the_same_nodes_with_the_same_room);
	tcase_add_test(t, the_longest_texts_fit);
	tcase_add_test(t, a_text_longer_in_octets_than_in_characters_is_refused);
	tcase_add_loop_test(t, every_example_is_valid, 0, (int)(sizeof examples / sizeof examples[0]));
	tcase_add_test(t, the_pair_example_says_what_it_says);
	tcase_add_loop_test(t, a_wrong_configuration_is_told_where_and_why, 0, (int)(sizeof wrong / sizeof wrong[0]));
	tcase_add_test(t, a_profile_speaks_l2tpv3_and_l2tphc);
	tcase_add_test(t, what_is_no_configuration_is_refused);
	tcase_add_test(t, a_file_or_folder_that_is_not_there_is_named);
	tcase_add_loop_test(t, the_longest_prefix_wins_then_the_most_specific_host_name, 0,
			    (int)(sizeof finds / sizeof finds[0]));
	tcase_add_test(t, a_peer_that_fits_nothing_has_no_profile);
	tcase_add_test(t, entries_are_found_by_name);
	tcase_add_test(t, what_a_running_process_cannot_take_up_is_named);
	tcase_add_test(t, what_has_changed_is_named);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
