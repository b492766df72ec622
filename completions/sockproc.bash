# bash completion for sockproc(8)

_sockproc() {
    # shellcheck disable=SC2034
    local cur prev words cword
    _init_completion -n = || return
    if [[ $prev == --config ]]; then
        _filedir toml
    elif [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '--foreground --config --check -v --version -h --help' -- "$cur")
    else
        _filedir
    fi
} && complete -F _sockproc sockproc
