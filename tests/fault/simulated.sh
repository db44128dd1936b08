#!/bin/bash
# row: crashes, clocks, sites cut off, two gwd with one state, and all of them but the last at honest sites, simulated
# limit: 900
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/sim_lib.sh"
trials 10000 100 crash clock cutoff twins honest
