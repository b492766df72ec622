# bash completion for sockexec-client(1)

_sockexec_client() {
    # shellcheck disable=SC2034
    local cur prev words cword
    _init_completion || return
    case $cword in
    1)
        if [[ $cur == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W '-h --help -V --version' -- "$cur")
        else
            # A socket, or a directory on the way to one.
            local file
            local -a found=()
            mapfile -t found < <(compgen -f -- "$cur")
            for file in "${found[@]}"; do
                if [[ -d $file ]]; then
                    COMPREPLY+=("$file/")
                elif [[ -S $file ]]; then
                    COMPREPLY+=("$file")
                fi
            done
            [[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != */ ]] || compopt -o nospace
        fi
        ;;
    *)
        # The rest is a command line of its own.
        _command_offset 2
        ;;
    esac
} && complete -F _sockexec_client sockexec-client sockexec.client
