#!/bin/bash
# `make demo`'s second half: the job runs in its VM, its results are shown, nothing is left; also when the
# demo is interrupted.
# limit: 240
. "$(dirname "$0")/lib.sh"

cd "$T_ROOT" || exit 1
export TMPDIR=$T_DIR # where the demo puts its directory: found again below
start=$SECONDS
out=$(tools/demo 2>&1)
code=$?
took=$((SECONDS - start))
if [ $code -eq 0 ]; then
    t_ok "the demo runs and stops everything ($took s)"
else
    t_not_ok "the demo runs and stops everything" "exit code $code" "$out"
fi
t_match "the demo shows the job's id" '^ *JOB ID: [0-9]+$' "$out"
t_match "the demo shows the exit code" 'exit code of the job: 0' "$out"
t_equal "the demo leaves no file" '' "$(find "$T_DIR" -mindepth 1)"
t_equal "the demo leaves no process" '' "$("$T_ROOT/tools/processes-of" "$T_DIR")"

# Interrupted as soon as the job is accepted: in the prolog, or not much later.
mkfifo "$T_DIR/said"
tools/demo >"$T_DIR/said" 2>&1 &
demo=$!
T_PIDS+=("$demo")
exec {said}<"$T_DIR/said"
while read -r -t 60 -u "$said" line; do
    case $line in *"JOB ID: "*) break ;; esac
done
kill -TERM "$demo"
rest=$(cat <&"$said")
wait "$demo"
t_equal "a demo that is told to end says so by its exit code" 143 $?
rm "$T_DIR/said"
t_equal "a demo that is told to end leaves no file" '' "$(find "$T_DIR" -mindepth 1)"
t_equal "a demo that is told to end leaves no process" '' "$("$T_ROOT/tools/processes-of" "$T_DIR")"
case $rest in
*"these were left"*) t_not_ok "a demo that is told to end has the job ended, not killed" "$rest" ;;
*) t_ok "a demo that is told to end has the job ended, not killed" ;;
esac
t_done
