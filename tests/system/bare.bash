# A machine with only a clone of HEAD, as a newcomer has it: the newest stable Debian with its own
# Rust, which is the minimum version. Part of `run`.
# shellcheck shell=bash disable=SC2154,SC2317

# in_bare COMMAND...: runs it there, with processes and mounts that go with it. Of this machine it
# has the network, and what one must know to use it.
in_bare() {
    local -a environment
    mapfile -t environment < <(env | grep -iE '^((https?|all|no)_proxy|CARGO_(HTTP|NET|REGISTR|SOURCE)[A-Z_]*)=')
    # shellcheck disable=SC2016
    timeout --kill-after=10 1200 unshare --mount --pid --fork --kill-child --propagation private -- bash -c '
        mount --bind "$0" "$0" && mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"' \
        "$bare" env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
        "${environment[@]}" "$@"
}
# Both stand in the clone.
as_root() { in_bare env -C /home/visitor/sockexec "$@"; }
as_visitor() {
    as_root setpriv --reuid=visitor --regid=visitor --clear-groups env HOME=/home/visitor "$@"
}

bare_system() {
    local kept
    kept=$("$here/lab" bare) || return
    # Of runs that were killed.
    find "${kept%/*}" -mindepth 1 -maxdepth 1 -name 'run.*' -mmin +240 -exec rm -rf --one-file-system {} +
    bare=$(mktemp -d "${kept%/*}/run.XXXXXX") && cp -a "$kept/." "$bare/" || return
    cp /etc/resolv.conf "$bare/etc/resolv.conf" || return
    mkdir -p "$bare/usr/local/share/ca-certificates" "$bare/root/.cargo" || return
    cp -r /usr/local/share/ca-certificates/. "$bare/usr/local/share/ca-certificates/" 2>/dev/null
    # From where Cargo has crates here.
    for kept in "${CARGO_HOME:-$HOME/.cargo}"/config{,.toml}; do
        [[ ! -r $kept ]] || awk '/^\[/ { of_use = /^\[(source|registr|http|net)/ } of_use' "$kept" >>"$bare/root/.cargo/config.toml"
    done
    in_bare useradd --create-home visitor && cp -r "$bare/root/.cargo" "$bare/home/visitor/" &&
        git clone --quiet . "$bare/home/visitor/sockexec" && give_back
}
give_back() { in_bare chown -R visitor: /home/visitor; }
installed() { in_bare dpkg-query --show; }

# A missing tool is reported first.
it_is_bare() {
    local tool
    for tool in cc make cargo rustc dpkg-buildpackage git sudo; do
        ! in_bare sh -c "command -v $tool" || return
    done
}
# names COMMAND...: an ordinary user cannot have it, and hears which command root has to run; that
# would install something.
names() {
    local command
    installed >"$work/installed"
    ! as_visitor "$@" >"$work/named" 2>&1 || return
    cat "$work/named"
    diff "$work/installed" <(installed) || return
    command=$(sed -n 's/^    .*apt-get //p' "$work/named")
    [[ $command ]] && as_root sh -c "apt-get update -qq && apt-get -s $command" >"$work/simulated" 2>&1
    rm -rf "$bare"/var/lib/apt/lists/*
    cat "$work/simulated"
    grep -q '^Inst ' "$work/simulated"
}
shows() {
    "$@" ./demo | tee "$work/shown"
    grep -x 'THIS WENT TO THE PROGRAM AND CAME BACK' "$work/shown" && grep -x '< 6:stdout,6:Linux\\n,8:exitcode,1:0,' "$work/shown"
}
shows_without_installing() {
    installed >"$work/installed"
    shows as_visitor && diff "$work/installed" <(installed)
}
oldest_rust() {
    local oldest
    oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    as_root rustc --version | tee /dev/stderr | grep -F "rustc $oldest."
}
nothing_left_behind() { ! in_bare test -e /usr/sbin/policy-rc.d; }
# The build dependencies come from the network; then the packages are built in the tarball of
# `make dist`, without a network and without a home.
build_depends() { as_root sh -ec '. tests/setup; need_build_depends'; }
in_tarball() { as_root env -C /root/source "$@"; }
builds_alone() {
    mkdir -p "$bare/root/source" "$work/dist" && scripts/dist "$work/dist" &&
        tar -xJf "$work"/dist/*.orig.tar.xz --no-same-owner -C "$bare/root/source" --strip-components=1 || return
    # shellcheck disable=SC2016
    in_tarball unshare --net sh -c '
        for name in $(env | sed -n "s/^\(CARGO_[A-Z_]*\)=.*/\1/p"); do unset "$name"; done
        HOME=/nonexistent DEB_BUILD_OPTIONS=nocheck exec make deb'
}
# Of which Rust the standard library is.
names_rust() {
    # shellcheck disable=SC2016
    in_tarball sh -c 'dpkg-deb --field target/debian/sockexec_*.deb Static-Built-Using' | tee /dev/stderr |
        grep -xE 'rustc(-[a-z]+)? \(= 1\.[^ ]+\)'
}
packages_install() {
    in_tarball sh -c 'apt-get install --yes --no-install-recommends ./target/debian/*.deb' &&
        as_root sockexec --version
}
# Each has a candidate here, and they can be installed together.
test_packages() {
    # shellcheck disable=SC2016
    as_root sh -ec '. tests/setup; apt_get() { apt-get -s -qq "$@"; }; want_packages' >"$work/wanted" 2>&1
    local status=$?
    cat "$work/wanted"
    ! grep SKIPPED "$work/wanted" && return $status
}

if [[ $EUID -ne 0 ]]; then
    say_skipped "a bare machine: needs root, to make one"
elif missing=$(lacks mmdebstrap git unshare); then
    skip "a bare machine: there is no $missing (see tests/packages)"
elif ! bare_system >"$work/report" 2>&1; then
    skip "a bare machine: $(tail -n 3 "$work/report")"
else
    check "the machine is bare" it_is_bare
    check "demo: an ordinary user hears what root has to install" names ./demo
    check "demo: root needs nothing but a clone" shows as_root
    check "no file of the installation is left" nothing_left_behind
    give_back
    check "demo: an ordinary user who has the tools installs nothing" shows_without_installing
    check "it has the oldest Rust that is promised" oldest_rust
    check "all of it compiles there" as_visitor cargo test --quiet --locked --all-targets --no-run
    check "the unit tests pass there" as_visitor cargo test --quiet --locked --lib --bins
    check "so do those with real programs and clients" \
        as_visitor cargo test --quiet --locked --test compat --test process --test client --test simulation
    check "debian/build: an ordinary user hears what root has to install" names debian/build
    check "debian/control: what a build needs is in this release" build_depends
    check "make dist, and make deb in it, with neither a network nor a home" builds_alone
    check "the package names Rust, which is linked in" names_rust
    check "the packages can be installed" packages_install
    check "this release has what tests/packages names" test_packages
fi
rm -rf --one-file-system ${bare:+"$bare"}
bare=
