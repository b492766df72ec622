# fish completion for sockexec-client(1)

# The words after the command: a socket, then a command line of its own.
function __sockexec_client_words
    count (commandline -opc)
end

for command in sockexec-client sockexec.client
    complete -c $command -n 'test (__sockexec_client_words) -eq 1' -s h -l help -d 'Print help'
    complete -c $command -n 'test (__sockexec_client_words) -eq 1' -s V -l version -d 'Print the version'
    complete -c $command -n 'test (__sockexec_client_words) -eq 2' -f -a '(__fish_complete_command)'
    complete -c $command -n 'test (__sockexec_client_words) -gt 2' -f -a '(__fish_complete_subcommand --fcs-skip=2)'
end
