# fish completion for sockexecctl(1)

set -l commands status jobs kill set explain config rules reload drain undrain metrics recent follow totals ping top version help

# The current jobs, if a server answers.
function __sockexecctl_jobs
    set -l words (commandline -opc)
    set -l socket
    for i in (seq 2 (count $words))
        switch $words[$i]
            case -s --socket
                set socket --socket $words[(math $i + 1)]
            case --instance
                set socket --instance $words[(math $i + 1)]
            case '--socket=*' '--instance=*'
                set socket $words[$i]
        end
    end
    $words[1] $socket --timeout 1 jobs 2>/dev/null | awk 'NR > 1 { id = $1; $1 = $2 = ""; sub(/^ +/, ""); print id "\t" $0 }'
end

complete -c sockexecctl -f
complete -c sockexecctl -s s -l socket -r -F -d 'Control socket of the server'
complete -c sockexecctl -l instance -x -a '(string replace -rf "/run/sockexec-(.*)/control.sock" \'$1\' /run/sockexec-*/control.sock)' -d 'Server of this tenant'
complete -c sockexecctl -l json -d 'Print the answer as JSON'
complete -c sockexecctl -l timeout -x -d 'How long to wait for an answer (5s, 1m)'
complete -c sockexecctl -s h -l help -d 'Print help'
complete -c sockexecctl -n "not __fish_seen_subcommand_from $commands" -s V -l version -d 'Print the version'
complete -c sockexecctl -n "not __fish_seen_subcommand_from $commands" -a '
    status\t"state, limits, totals and percentiles"
    jobs\t"the current jobs"
    kill\t"send a signal to the process group of a job"
    set\t"change limits for new jobs"
    explain\t"which rule decides about a request, and why"
    reload\t"read the configuration file again"
    drain\t"stop accepting, finish running jobs, and exit"
    config\t"the configuration in effect, and where it came from"
    rules\t"the rules in force, in order"
    undrain\t"accept again, after a drain"
    metrics\t"all figures, in the text format of Prometheus"
    recent\t"the last jobs that have ended, and how"
    follow\t"starts and ends of jobs as they come"
    totals\t"jobs by program, by user and by rule"
    ping\t"check that the server answers"
    top\t"a live screen of jobs and rates"
    version\t"the version of the server"
    help\t"help about a command"'
complete -c sockexecctl -n 'string match -q help -- (commandline -opc)[-1]' -a "$(string match -v help -- $commands)"
complete -c sockexecctl -n '__fish_seen_subcommand_from kill' -a '(__sockexecctl_jobs)'
complete -c sockexecctl -n '__fish_seen_subcommand_from kill' -l signal -x -a 'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS' -d 'The signal'
complete -c sockexecctl -n '__fish_seen_subcommand_from status' -s a -l all -d 'A line about each server'
complete -c sockexecctl -n '__fish_seen_subcommand_from drain' -l wait -d 'Wait until the server has ended'
complete -c sockexecctl -n '__fish_seen_subcommand_from kill' -l user -x -a '(__fish_complete_users)' -d 'All jobs of this user'
complete -c sockexecctl -n '__fish_seen_subcommand_from kill' -l program -x -d 'All jobs of this program'
complete -c sockexecctl -n '__fish_seen_subcommand_from kill' -l rule -x -d 'All jobs under this rule'
complete -c sockexecctl -n '__fish_seen_subcommand_from kill' -l all -d 'All jobs'
complete -c sockexecctl -n '__fish_seen_subcommand_from set' -a '
    max-connections=\t"connections served at once"
    timeout=\t"how long a connection may last, 0 for no deadline"
    kill-timeout=\t"time between SIGTERM and SIGKILL"
    requests-per-second=\t"requests of a user that may start in a second, 0 for any number"
    burst=\t"requests of a user that may start at once, where there is a rate"
    detached-max=\t"cgroups in which processes live on after their job"
    recent-jobs=\t"how many ended jobs are kept in memory, 0 for none"
    log-level=error\t"which lines are logged"
    log-level=warn\t"which lines are logged"
    log-level=info\t"which lines are logged"
    log-level=debug\t"which lines are logged"
    audit=end\t"a record in the log when a job has ended"
    audit=both\t"one when it starts too"'
complete -c sockexecctl -n '__fish_seen_subcommand_from explain' -F
complete -c sockexecctl -n '__fish_seen_subcommand_from explain' -l user -x -a '(__fish_complete_users)' -d 'User of the client'
complete -c sockexecctl -n '__fish_seen_subcommand_from explain' -l group -x -a '(__fish_complete_groups)' -d 'Group of the client'
complete -c sockexecctl -n '__fish_seen_subcommand_from explain' -l label -x -d 'Security label of the client'
complete -c sockexecctl -n '__fish_seen_subcommand_from metrics' -s a -l all -d 'Of all servers, with the label instance'
complete -c sockexecctl -n '__fish_seen_subcommand_from metrics' -l http -d 'The answer to an HTTP request on standard input'
complete -c sockexecctl -n '__fish_seen_subcommand_from recent' -l failed -d 'Only jobs that failed'
complete -c sockexecctl -n '__fish_seen_subcommand_from recent' -l user -x -a '(__fish_complete_users)' -d 'Only jobs of this user'
complete -c sockexecctl -n '__fish_seen_subcommand_from recent' -l program -x -a '(__fish_complete_command)' -d 'Only jobs of this program'
complete -c sockexecctl -n '__fish_seen_subcommand_from recent' -s n -l limit -x -d 'This number of jobs at most'
complete -c sockexecctl -n '__fish_seen_subcommand_from follow' -l retry -d 'Wait for the next server when this one ends'
complete -c sockexecctl -n '__fish_seen_subcommand_from totals' -l by -x -a 'program user rule' -d 'Only the table of these groups'
complete -c sockexecctl -n '__fish_seen_subcommand_from top' -l interval -x -d 'Time between two updates (500ms, 5s)'
complete -c sockexecctl -n '__fish_seen_subcommand_from top' -l count -x -d 'Number of updates'
