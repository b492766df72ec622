# fish completion for sockproc(8)

complete -c sockproc -l foreground -d 'Stay in the foreground'
complete -c sockproc -l config -r -F -d 'The configuration file'
complete -c sockproc -l check -d 'Only check options and configuration file'
complete -c sockproc -s v -l version -d 'Print the version'
complete -c sockproc -s h -l help -d 'Print help'
