# bash completion of gwsubmit, gwps, gwhost, gwkill, gwwait, gwhistory, gwlogs and gwuser.
# Ids of jobs are asked of the daemon, within a second or not at all.

_gw_jobs() {
    timeout 1 gwps -n -o J ${1:+-s "$1"} 2>/dev/null
}

_gw_hosts() {
    timeout 1 gwhost -f 2>/dev/null | sed -n 's/^HOSTNAME=//p'
}

_gw() {
    local cmd=${COMP_WORDS[0]##*/} cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    COMPREPLY=()
    case $cmd:$prev in
    gwsubmit:-t | gwsubmit:--template | gwsubmit:--credential | gwhost:--image) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    gwps:-u) mapfile -t COMPREPLY < <(compgen -u -- "$cur"); return ;;
    gwps:--why | gwhost:-m) mapfile -t COMPREPLY < <(compgen -W "$(_gw_jobs)" -- "$cur"); return ;;
    gwhost:--drain | gwhost:--undrain | gwhost:--test) mapfile -t COMPREPLY < <(compgen -W "$(_gw_hosts)" -- "$cur"); return ;;
    esac
    if [[ $cur == -* ]]; then
        # The options are the command's own word: argp prints them all.
        mapfile -t COMPREPLY < <(compgen -W "$("$cmd" --help 2>/dev/null | grep -E '^ {2,6}-' |
            grep -oE '(^|[ ,])-(-[a-z-]+|[A-Za-z0-9])' | tr -d ' ,')" -- "$cur")
        return
    fi
    case $cmd in
    gwsubmit) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    gwkill | gwwait) mapfile -t COMPREPLY < <(compgen -W "$(_gw_jobs ihpwesm)" -- "$cur") ;;
    gwuser) ;;
    gwhost) mapfile -t COMPREPLY < <(compgen -W "$(_gw_hosts)" -- "$cur") ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$(_gw_jobs)" -- "$cur") ;;
    esac
}

complete -o filenames -o bashdefault -F _gw gwsubmit
complete -F _gw gwps gwhost gwkill gwwait gwhistory gwlogs gwuser
