// SPDX-License-Identifier: Apache-2.0
/*
 * Over links that lose, double and exchange packets nothing comes out that did not go in, and
 * little of what arrived is not delivered.  A case is a stream over a link; TWIN_CRTP_PACKETS makes
 * each longer than CI does.
 */
#include "channel_cases.h"
#include "lib/unit.h"

static unsigned
packets(void)
{
	const char *n = getenv("TWIN_CRTP_PACKETS");

	return n ? (unsigned)strtoul(n, NULL, 10) : 16000;
}

START_TEST(nothing_comes_out_that_was_not_sent)
{
	unsigned stream = (unsigned)_i / LINKS, link = (unsigned)_i % LINKS;
	struct channel_result r = case_run(stream, link, 1, packets());

	ck_assert_msg(!streams[stream].proved || r.wrong == 0, "%s over %s: %lu wrong",
		      streams[stream].name, links[link].name, r.wrong);
	ck_assert_uint_gt(r.right, r.sent / 10);
	if (links[link].loss == 0 && links[link].reorder == 0)
		ck_assert_msg(r.right == r.sent && r.wrong == 0 && r.states == 0,
			      "%s: %lu of %lu over a clean link", streams[stream].name, r.right,
			      r.sent);
}
END_TEST

/* Damaged and lost packets for each that was lost on the link, N = 2: the figures of
 * docs/protocols/rfc3545.md. */
START_TEST(loss_is_hardly_multiplied)
{
	static const struct {
		unsigned link;
		double most;
	} cases[] = { { 1, 1.02 }, { 2, 1.05 }, { 3, 1.10 } };
	unsigned stream = (unsigned)_i / 3;
	struct channel_result r = case_run(stream, cases[_i % 3].link, 2, 10 * packets());
	double multiplied = (double)(r.lost + r.gone) / (double)r.lost;

	ck_assert_msg(multiplied <= cases[_i % 3].most, "%s over %s: %.3f", streams[stream].name,
		      links[cases[_i % 3].link].name, multiplied);
}
END_TEST

static void
add(TCase *t)
{
	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, nothing_comes_out_that_was_not_sent, 0, STREAMS * LINKS);
	tcase_add_loop_test(t, loss_is_hardly_multiplied, 0, 5 * 3); /* the first five streams */
}

UNIT_MAIN("crtp channel", add)
