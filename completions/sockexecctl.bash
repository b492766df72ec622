# bash completion for sockexecctl(1)

# The numbers of the jobs that there are, where a server answers.
_sockexecctl_jobs() {
    "${words[0]}" "$@" --timeout 1 jobs 2>/dev/null | awk 'NR > 1 { print $1 }'
}

_sockexecctl() {
    # shellcheck disable=SC2034
    local cur prev words cword
    _init_completion -n = || return
    local options='-s --socket --instance --json --timeout -h --help'
    local command='' i
    local -a socket=()
    # The command is the first word that is neither an option nor what belongs to one.
    for ((i = 1; i < cword; i++)); do
        case ${words[i]} in
        -s | --socket)
            ((++i))
            socket=(--socket "${words[i]}")
            ;;
        --socket=*)
            socket=("${words[i]}")
            ;;
        --instance)
            ((++i))
            socket=(--instance "${words[i]}")
            ;;
        --timeout | --signal | --interval | --count | --user | --group | --label | --program | --by | --limit | -n | --rule)
            ((++i))
            ;;
        -*) ;;
        *)
            [[ -n $command ]] || command=${words[i]}
            ;;
        esac
    done
    case $prev in
    -s | --socket)
        _filedir
        return
        ;;
    --instance)
        mapfile -t COMPREPLY < <(cd /run 2>/dev/null && compgen -G "sockexec-$cur*/control.sock" |
            sed 's/^sockexec-//; s/.control.sock$//')
        return
        ;;
    --by)
        mapfile -t COMPREPLY < <(compgen -W 'program user rule' -- "$cur")
        return
        ;;
    --program)
        mapfile -t COMPREPLY < <(compgen -c -- "$cur")
        return
        ;;
    --timeout | --interval | --count | --limit | -n | --rule)
        # A number: nothing to offer.
        return
        ;;
    --user)
        mapfile -t COMPREPLY < <(compgen -u -- "$cur")
        return
        ;;
    --group)
        mapfile -t COMPREPLY < <(compgen -g -- "$cur")
        return
        ;;
    --signal)
        # Those that the server knows: the shell has more.
        local names='HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT
            CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS'
        mapfile -t COMPREPLY < <(compgen -W "$names" -- "${cur#SIG}")
        [[ $cur != SIG* ]] || COMPREPLY=("${COMPREPLY[@]/#/SIG}")
        return
        ;;
    esac
    case $command in
    '') options+=' -V --version' ;;
    kill) options+=' --signal --user --program --rule --all' ;;
    metrics) options+=' -a --all --http' ;;
    recent) options+=' --failed --user --program -n --limit' ;;
    status) options+=' -a --all' ;;
    drain) options+=' --wait' ;;
    follow) options+=' --retry' ;;
    totals) options+=' --by' ;;
    top) options+=' --interval --count' ;;
    explain) options+=' --user --group --label' ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
        return
    fi
    case $command in
    '')
        mapfile -t COMPREPLY < <(compgen -W 'status jobs kill set explain config rules reload drain undrain metrics recent follow totals ping top version help' -- "$cur")
        ;;
    help)
        mapfile -t COMPREPLY < <(compgen -W 'status jobs kill set explain config rules reload drain undrain metrics recent follow totals ping top version' -- "$cur")
        ;;
    kill)
        mapfile -t COMPREPLY < <(compgen -W "$(_sockexecctl_jobs "${socket[@]}")" -- "$cur")
        ;;
    explain)
        # The program and its arguments.
        _filedir
        ;;
    set)
        if [[ $cur == log-level=* ]]; then
            # What stands before the = is a word of its own to readline.
            mapfile -t COMPREPLY < <(compgen -W 'error warn info debug' -- "${cur#*=}")
        elif [[ $cur == audit=* ]]; then
            mapfile -t COMPREPLY < <(compgen -W 'end both' -- "${cur#*=}")
        else
            mapfile -t COMPREPLY < <(compgen -S = -W 'max-connections timeout kill-timeout
                requests-per-second burst detached-max recent-jobs log-level audit' -- "$cur")
            compopt -o nospace
        fi
        ;;
    esac
} && complete -F _sockexecctl sockexecctl
