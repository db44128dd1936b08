#!/bin/bash
# row: kill -9 of gwd at random instants, and of its drivers, under 10,000 jobs
# limit: 1500
#
# Jobs that have ended leave for the archive after some seconds, so that they are looked for there in the end.
. "$(dirname "$0")/crash_lib.sh"
kills=$(share 1000 25) jobs=$(share 10000 250)
dir=$T_DIR/gwd
GWD_DIR=$dir
crash_site "$dir" "JOB_RETENTION = 3" "ARCHIVE_RETENTION = 1d"
sed -i 's/^CHECKPOINT_EVERY.*/CHECKPOINT_EVERY = 100/; s/^KEEP_EVENTS.*/KEEP_EVENTS = 1000/' "$dir/gwd.conf"
crash_supervise "$dir" &
supervisor=$!
crash_users "$dir" "$FAULT_SEED" "$jobs" 4 300 "$dir/enough" &
users=$!

# Three of four times it has become ready, so that there is progress on any machine. Every tenth time a driver that it started dies
# some moments before it.
kill_one() {
    local pid drivers
    pid=$(cat "$dir/pid")
    random 4
    [ "$RANDOM_N" -eq 0 ] || t_within 20 test -s "$dir/ready"
    random 400000
    sleep "0.$(printf %06d "$RANDOM_N")"
    random 10
    if [ "$RANDOM_N" -eq 0 ]; then
        mapfile -t drivers < <(pgrep -P "$pid")
        random 3
        [ -z "${drivers[RANDOM_N]-}" ] || kill -KILL "${drivers[RANDOM_N]}" 2>/dev/null
        random 100000
        sleep "0.$(printf %06d "$RANDOM_N")"
    fi
    kill -KILL "$pid" 2>/dev/null && killed=$((killed + 1))
    t_within 10 sh -c "[ \"\$(cat '$dir/pid')\" != $pid ]"
}

killed=0
t_within 10 test -s "$dir/pid"
while kill -0 $users 2>/dev/null && [ ! -e "$dir/over" ]; do
    kill_one
    progress "$killed of $kills kills, $(grep -c '^end' "$dir/ledger") programs have ended"
    [ $killed -ne "$kills" ] || touch "$dir/enough"
    [ $killed -lt $((kills + 20)) ] || break # those who wait shall come to their end
done
[ ! -e "$dir/over" ] || { crash_violation "after $killed kills gwd does not start again" "$(tail -n 3 "$dir.log")" && kill $users; }
wait $users
code=$?
crash_end "$dir" $supervisor
if [ $code -eq 0 ]; then
    crash_compare "$dir" "after $killed kills"
else # and jobs would run while they are compared
    crash_violation "a user waits in vain" "$(cat "$dir/users.out")"
fi
result "$killed" "$kills" "$(grep -c '^submitted' "$dir/ledger") submissions, $(grep -c '^start' "$dir/ledger") programs"
