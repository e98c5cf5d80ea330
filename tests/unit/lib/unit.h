// SPDX-License-Identifier: Apache-2.0
/* The main() of a one-case Check program: UNIT_MAIN("name", add_tests). */
#ifndef TWIN_UNIT_H
#define TWIN_UNIT_H

#include <check.h>

#define UNIT_MAIN(NAME, ADD)                              \
	int main(void)                                    \
	{                                                 \
		Suite *s = suite_create(NAME);            \
		TCase *tc = tcase_create(NAME);           \
		tcase_set_timeout(tc, 30);                \
		ADD(tc);                                  \
		suite_add_tcase(s, tc);                   \
		SRunner *r = srunner_create(s);           \
		srunner_run_all(r, CK_ENV);               \
		int failed = srunner_ntests_failed(r);    \
		srunner_free(r);                          \
		return failed != 0;                       \
	}

#endif
