#!/bin/bash
# Jobs in the archive stay for ARCHIVE_RETENTION, and leave when nothing else happens.
# limit: 100
. "$(dirname "$0")/lib.sh"
cd "$T_DIR" || exit 1

# setting NAME VALUE
setting() { sed -i "/^$1 =/d" "$GWD_DIR/gwd.conf" && echo "$1 = $2" >>"$GWD_DIR/gwd.conf"; }
is_archived() { gwps "$1" >/dev/null && [ "$(gwps --json | jq "[.jobs[] | select(.id == $1)] | length")" = 0 ]; }
is_gone() { gwps "$1" 2>&1 | grep -q 'is not in the archive any more'; }

gwd_start || t_not_ok "the daemon starts"
gwd_stop
setting JOB_RETENTION 1
gwd_start || t_not_ok "the daemon starts"
gwsubmit --wait --no-staging -- /bin/true
gwsubmit --wait --no-staging -- /bin/true
t_check "a finished job goes to the archive" t_within 20 is_archived 1
t_check "without ARCHIVE_RETENTION it stays there" t_within 20 is_archived 2
gwd_stop

# No job can come that would take it with it.
setting ARCHIVE_RETENTION 3
setting MIN_FREE_SPACE 1000T
gwd_start || t_not_ok "the daemon starts"
gwsubmit --no-staging -- /bin/true 2>err
t_match "below the low-water mark no job is taken" "nearly full" "$(cat err)"
t_check "what is too old leaves the archive all the same" t_within 20 is_gone 1
t_check "all of it does" t_within 20 is_gone 2
gwd_stop

setting MIN_FREE_SPACE 1M
gwd_start || t_not_ok "the daemon starts"
gwsubmit --wait --no-staging -- /bin/true
t_check "a job that comes then leaves when its time is over" t_within 20 is_gone 3
gwd_stop
t_match "the state is whole" " 0 archived" "$(gwd --dev "$GWD_DIR" --check-state)"
t_done
