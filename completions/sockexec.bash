# bash completion for sockexec(8)

_sockexec() {
    # shellcheck disable=SC2034
    local cur prev words cword
    _init_completion -n = || return
    local options='
        -q --queue -M --mode -m --max-connections -t --timeout -k --kill-timeout
        --stop-grace --idle-exit --inetd --sockproc --control --cgroup --config --job-user --user
        --fallback --check --quiet --explain --termsig --log --log-level -d --debug -v --version -h --help'
    case $prev in
    --termsig)
        mapfile -t COMPREPLY < <(compgen -W 'number name' -- "$cur")
        return
        ;;
    --log)
        mapfile -t COMPREPLY < <(compgen -W 'auto syslog journal stderr' -- "$cur")
        return
        ;;
    --log-level)
        mapfile -t COMPREPLY < <(compgen -W 'error warn info debug' -- "$cur")
        return
        ;;
    --config)
        _filedir toml
        return
        ;;
    --user | --job-user)
        mapfile -t COMPREPLY < <(compgen -u -- "$cur")
        return
        ;;
    --group)
        mapfile -t COMPREPLY < <(compgen -g -- "$cur")
        return
        ;;
    --cgroup)
        _filedir -d
        return
        ;;
    --control | --sockproc)
        _filedir
        return
        ;;
    -M | --mode)
        mapfile -t COMPREPLY < <(compgen -W '0600 0660 0666' -- "$cur")
        return
        ;;
    -q | --queue | -m | --max-connections | -t | --timeout | -k | --kill-timeout | --stop-grace | --idle-exit)
        # A number: nothing to offer.
        return
        ;;
    esac
    local word
    for word in "${words[@]:0:cword}"; do
        # The last option: the words of a question follow.
        [[ $word != --explain ]] || options='--user --group --label -h --help'
    done
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
    else
        _filedir
    fi
} && complete -F _sockexec sockexec
