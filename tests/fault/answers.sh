#!/bin/bash
# row: lost, doubled, late, reordered driver answers, simulated
# limit: 600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/sim_lib.sh"
trials 10000 100 lost doubled late reordered mixed
