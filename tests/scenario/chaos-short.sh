#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Half a minute of tests/scenario/chaos with a seed that is always the same.
# timeout: 240
exec "$(dirname "$0")/chaos" --seconds 30 --seed "${TWIN_CHAOS_SEED:-2}"
