#!/bin/sh
# Makes docs/pictures/top.txt: what `sockexecctl top` shows of a server with some jobs. Needs root, tmux
# and built programs: docs/pictures/top.sh [DIRECTORY-OF-PROGRAMS]
set -eu

cd "$(dirname "$0")/../.."
programs=$(realpath "${1:-target/debug}")
place=$(mktemp -d)
chmod 755 "$place"
trap 'tmux -S "$place/tmux" kill-server; kill "$server"; wait "$server" || :; rm -r "$place"' EXIT

# Programs with the names of an application.
program() {
    printf '#!/bin/sh\n%s\n' "$2" >"$place/$1"
    chmod 755 "$place/$1"
}
program report 'while :; do :; done'
program thumbnail 'exec sleep 100'
program export 'while echo some text in a line of the export; do sleep 0.001; done'
program upload 'exec cat'
program mail 'echo "mail: cannot connect to 192.0.2.7: timed out" >&2; exit 75'

# Runs a program for a client of this user.
run() {
    user=$1
    shift
    setpriv --reuid "$user" --regid "$user" --clear-groups "$programs/sockexec-client" "$place/exec.sock" "$@"
}

rule() {
    printf '[[allow]]\nname = "%s"\nprogram = ["%s", "%s"]\n' "$1" "$place/$2" "$place/$3"
}
{
    rule reports report export
    rule images thumbnail upload
    rule letters mail mail
} >"$place/sockexec.toml"
PATH=$place:$PATH "$programs/sockexec" --timeout 22 --mode 0666 --config "$place/sockexec.toml" \
    --control "$place/control.sock" "$place/exec.sock" 2>"$place/log" &
server=$!
until [ -S "$place/control.sock" ]; do
    kill -0 "$server"
    sleep 0.1
done

run www-data report --month july --format pdf >"$place/out1" 2>&1 &
run backup export --since yesterday >"$place/out2" 2>&1 &
sleep 13
run www-data report --month august --format html >"$place/out3" 2>&1 &
run www-data thumbnail 4711.jpg 320x200 >"$place/out4" 2>&1 &
head -c 4000 /dev/zero | tr '\0' x >"$place/piece"
while sleep 0.05; do cat "$place/piece"; done | run www-data upload 4712.jpg >"$place/out5" 2>&1 &
sleep 4
run www-data nothing || true
run backup mail --to office || true

tmux -S "$place/tmux" -f /dev/null new-session -d -x 80 -y 24 \
    "$programs/sockexecctl" --socket "$place/control.sock" top
sleep 2.5
screen() {
    tmux -S "$place/tmux" capture-pane -p | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}'
}
{
    screen
    tmux -S "$place/tmux" send-keys 3
    sleep 0.5
    echo
    screen
    tmux -S "$place/tmux" send-keys Enter
    sleep 0.5
    echo
    screen
} >"$place/picture"
cp "$place/picture" docs/pictures/top.txt
