# fish completion for sockexec(8)

complete -c sockexec -s q -l queue -x -d 'Connections that may wait to be accepted'
complete -c sockexec -s M -l mode -x -a '0600 0660 0666' -d 'Permissions of the socket'
complete -c sockexec -s m -l max-connections -x -d 'Connections served at once'
complete -c sockexec -s t -l timeout -x -d 'Seconds that a connection may last, 0 for no deadline'
complete -c sockexec -s k -l kill-timeout -x -d 'Seconds between SIGTERM and SIGKILL'
complete -c sockexec -l idle-exit -x -d 'Seconds without any connection after which to leave'
complete -c sockexec -l inetd -d 'Descriptor 0 is the socket'
complete -c sockexec -l termsig -x -a 'number\t15 name\tTERM' -d 'How to tell of a termination by a signal'
complete -c sockexec -l log -x -a 'auto syslog stderr' -d 'Where log lines go'
complete -c sockexec -s d -l debug -d 'Log what happens on each connection'
complete -c sockexec -s v -l version -d 'Print the version'
complete -c sockexec -s h -l help -d 'Print help'
