#!/bin/bash
# The share of the fault matrix that every check runs: tests/fault/run without --share runs all of it.
# limit: 900
cd "$(dirname "$0")/../.." || exit 1
exec tests/fault/run --share
