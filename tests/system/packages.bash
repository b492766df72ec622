# The packages themselves, and the completions that they bring: part of `run`.
# shellcheck shell=bash disable=SC2154,SC2317

check_lintian() {
    local -a files=("$debs"/*.changes)
    ((${#files[@]})) || files=("$debs"/*.deb)
    lintian --allow-root --fail-on error,warning "${files[@]}"
}
check "lintian has neither errors nor warnings" check_lintian

package=$work/package
dpkg-deb --extract "$debs"/sockexec_*.deb "$package"
dpkg-deb --extract "$debs"/lua-resty-exec_*.deb "$package"

versions() {
    local wanted
    wanted=$(sed -n '/^\[package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
    [[ $(dpkg-parsechangelog -S Version) == "$wanted" ]] && grep -x "version = $wanted" lua/dist.ini &&
        grep -xE "version = '$wanted-[0-9]+'" "lua/lua-resty-exec-$wanted-"[0-9]*.rockspec
}
check "Cargo.toml, changelog, rockspec and dist.ini have the same version" versions
# opm itself is in no Debian package.
dist() {
    local key value
    while read -r key _ value; do
        case $key in
        lib_dir | doc_dir) test -d "lua/$value" || return ;;
        main_module) test -f "lua/$value" || return ;;
        esac
    done <lua/dist.ini
    grep -x 'name = lua-resty-exec' lua/dist.ini && grep -x 'license = isc' lua/dist.ini
}
check "dist.ini names what there is" dist

no_paths() { not_in() { ! grep -aF -e "$1" "$package"/usr/sbin/sockexec "$package"/usr/bin/sockexec{-client,ctl}; }; not_in "$HOME/" && not_in "$PWD/"; }
check "the programs do not tell where they were built" no_paths

# What is linked in, with its notices.
notices_of_all() {
    local crate documents=$package/usr/share/doc/sockexec
    scripts/notices crates >"$work/crates" || return
    [[ $(wc -l <"$work/crates") -gt 30 ]] || return
    zcat "$documents/THIRD-PARTY-NOTICES.gz" >"$work/notices" || return
    while IFS='|' read -r crate _; do
        grep -qF "$crate (" "$work/notices" && grep -qxF "Files: vendor/$crate/*" "$documents/copyright" || return
    done <"$work/crates"
    grep -q 'The standard library of Rust' "$work/notices"
}
check "the package has the notices of all crates that are linked in" notices_of_all

# The script for reportbug, with a configuration in which secrets are called so.
bug_report() {
    mkdir -p "$work/etc/sockexec" "$work/etc/default"
    printf '%s\n' 'timeout = "90s" # hidden' 'environment = { TOKEN = "hidden" }' '[[allow]]' 'program = "/usr/bin/uname"' \
        'run-prefix = ["curl",' '  "hidden"]' '[allow.environment]' 'KEY = "hidden"' >"$work/etc/sockexec/sockexec.toml"
    printf '%s\n' 'SOCKEXEC_OPTIONS="--timeout 30 --config /hidden"' 'TOKEN=hidden' >"$work/etc/default/sockexec"
    PATH=$package/usr/sbin:$PATH SOCKEXEC_BUG_ETC=$work/etc sh "$package/usr/share/bug/sockexec/script" 3>"$work/bug" || return
    cat "$work/bug"
    grep -x 'timeout = "90s"' "$work/bug" && grep -x 'program = "/usr/bin/uname"' "$work/bug" &&
        grep -x -e '--timeout 30' "$work/bug" && grep '^sockexec [0-9]' "$work/bug" && ! grep hidden "$work/bug"
}
check "a report of a bug has versions and settings, and no secrets" bug_report

# `make install`, into a tree where there are other files, and out of it again.
tree() { (cd "$1" && find . -printf '%y %m %p %l\n' | sort && find . -type f -print0 | sort -z | xargs -0 sha256sum); }
installs() {
    local target=$work/destination programs=$work/programs
    mkdir -p "$target/opt/sockexec/sbin" "$target/opt/sockexec/share/man/man8" "$target/etc/default" "$programs"
    echo other >"$target/opt/sockexec/share/man/man8/other.8"
    cp "$package"/usr/sbin/sockexec "$package"/usr/bin/sockexec{-client,ctl} "$programs" &&
        zcat "$package/usr/share/doc/sockexec/THIRD-PARTY-NOTICES.gz" >"$programs/THIRD-PARTY-NOTICES" || return
    tree "$target" >"$work/before"
    make install RELEASE="$programs" PREFIX=/opt/sockexec DESTDIR="$target" || return
    "$target/opt/sockexec/sbin/sockproc" --version || return
    # Nothing points at the paths of the package.
    ! grep -rE '/usr/(sbin|bin)/sockexec|/usr/share/doc/sockexec' "$target/opt/sockexec/lib" || return
    grep -F 'ExecStart=/opt/sockexec/sbin/sockexec ' "$target/opt/sockexec/lib/systemd/system/sockexec.service" || return
    # All that the package has, but for what is Debian's own.
    (cd "$package" && find usr etc -not -type d) | sed -e 's/\.gz$//' -e 's,/vendor-completions/,/site-functions/,' |
        grep -vE '/doc/(lua-resty-exec/|sockexec/(changelog|copyright|NEWS|README\.)|sockexec/.*\.Debian)|/lintian/|/bug/' |
        sed -e 's,^usr/,opt/sockexec/,' | while read -r file; do
        [[ -e $target/$file || -L $target/$file ]] || echo "missing: $file"
    done >"$work/missing"
    cat "$work/missing"
    [[ ! -s $work/missing ]] || return
    # Twice is as once.
    make install RELEASE="$programs" PREFIX=/opt/sockexec DESTDIR="$target" && make uninstall PREFIX=/opt/sockexec DESTDIR="$target" || return
    tree "$target" | diff "$work/before" -
}
check "make uninstall removes exactly what make install has brought" installs
keeps_changes() {
    local target=$work/destination
    make install RELEASE="$work/programs" PREFIX=/opt/sockexec DESTDIR="$target" || return
    echo '# mine' >>"$target/etc/sockexec/sockexec.toml"
    make install RELEASE="$work/programs" PREFIX=/opt/sockexec DESTDIR="$target" && make uninstall PREFIX=/opt/sockexec DESTDIR="$target" &&
        grep '# mine' "$target/etc/sockexec/sockexec.toml"
}
check "a configuration that was changed stays" keeps_changes

# All completions, examples and presets of the tree.
all_of_the_tree() {
    local file name
    while read -r file; do
        name=${file##*/}
        case $file in
        completions/_*) name=zsh/vendor-completions/$name ;;
        completions/*.fish) name=fish/vendor_completions.d/$name ;;
        completions/*.bash) name=bash-completion/completions/${name%.bash} ;;
        examples/*) name=doc/sockexec/$file ;;
        *.preset) name=../lib/systemd/system-preset/$name ;;
        esac
        [[ -e $package/usr/share/$name || -e $package/usr/share/$name.gz ]] || { echo "missing: $name" && return 1; }
    done < <(find completions examples systemd/*.preset -type f)
}
check "the package has all completions, examples and presets" all_of_the_tree

changelogs() {
    local documents=$package/usr/share/doc/sockexec
    cmp CHANGELOG.md "$documents/CHANGELOG.md" && zcat "$documents/changelog.gz" | head -n 1 | grep '^sockexec ('
}
check "the package has both changelogs, each by its name" changelogs

# Scenario `bare` builds from it.
makes_tarball() {
    scripts/dist "$work/dist-1" && scripts/dist "$work/dist-2" && cmp "$work"/dist-[12]/*.orig.tar.xz
}
if git rev-parse --git-dir >/dev/null 2>&1; then
    check "make dist makes the same tarball twice" makes_tarball
fi

# Each Lua version finds each module.
modules() {
    local version file
    while read -r file; do
        for version in 5.1 5.2 5.3 5.4; do
            cmp "lua/lib/$file" "$package/usr/share/lua/$version/$file" || return
        done
    done < <(cd lua/lib && find . -name '*.lua')
}
check "each Lua has the modules" modules

# The options that --help knows. Those of a question, behind --explain, are not among them.
# sockexecctl, whose commands have options of their own, is in tests/ctl.
options() { "$package/$1" --help | grep -oE '^ +(-[[:alpha:]], )?--[a-z-]+' | grep -oE -e '-+[[:alpha:]][a-z-]*' | sort -u; }
options usr/sbin/sockexec >"$work/sockexec"
options usr/sbin/sockproc >"$work/sockproc"
options usr/bin/sockexec-client >"$work/sockexec-client"
for program in sockexec sockproc sockexec-client; do
    check "$program has options" test -s "$work/$program"
    in_zsh() { sed '/^_sockexec_question()/,/^}/d' "completions/_$program" | grep -oE -e '(-[[:alpha:]]|--[a-z-]+)[+=,}[]' | grep -oE -e '-+[[:alpha:]][a-z-]*' | sort -u | diff - "$work/$program"; }
    in_fish() { grep -v "'__fish_contains_opt explain'" "completions/$program.fish" | grep -oE -e ' -s [[:alpha:]]| -l [a-z-]+' | sed 's/ -s /-/; s/ -l /--/' | sort -u | diff - "$work/$program"; }
    check "$program: zsh completes the options that there are" in_zsh
    check "$program: fish completes them" in_fish
done

# And used as a user would.
if [[ -r /usr/share/bash-completion/bash_completion ]]; then
    bash_offers() { # COMPLETION WORD...: what bash offers for the last word
        bash -c '
            source /usr/share/bash-completion/bash_completion
            source "completions/$1.bash"
            shift
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
            function=$(complete -p "$1" | sed "s/.*-F \([^ ]*\).*/\1/")
            "$function" "$1" "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null
            printf "%s\n" "${COMPREPLY[@]}"' bash "$@"
    }
    check "bash: an option" grep -x -e --max-connections <(bash_offers sockexec sockexec --m)
    check "bash: values of an option" grep -x syslog <(bash_offers sockexec sockexec --log s)
    mkdir -p "$work/offered/directory"
    touch "$work/offered/file"
    python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$work/offered/socket"
    sockets() { diff <(printf '%s\n' "$work/offered/"{directory/,socket}) <(bash_offers sockexec-client "$1" "$work/offered/" | sort); }
    check "bash: the client's socket" sockets sockexec-client
    check "bash: with the client's old name, too" sockets sockexec.client
    check "bash: the client's program" grep -x uname <(bash_offers sockexec-client sockexec-client /run/x/exec.sock unam)
    check "bash: the program's arguments" grep -x -e "$work/offered/file" \
        <(bash_offers sockexec-client sockexec-client /run/x/exec.sock cat "$work/offered/f")
    for program in sockexec sockproc sockexec-client; do
        check "$program: bash completes the options that there are" \
            diff "$work/$program" <(bash_offers "$program" "$program" - | sort -u)
    done
else
    skip "bash completions, asked: there is no bash-completion"
fi
if command -v zsh >/dev/null; then
    check "zsh reads its completions" zsh -n completions/_*
else
    skip "zsh completions, read: there is no zsh"
fi
if command -v fish >/dev/null; then
    fish_offers() { fish --no-config -c "source completions/$1.fish; complete -C '$2'" | cut -f1; }
    check "fish: options of the server" grep -x -e --max-connections <(fish_offers sockexec 'sockexec --m')
    check "fish: values of an option" grep -x syslog <(fish_offers sockexec 'sockexec --log s')
    check "fish: the client's program" grep -x uname <(fish_offers sockexec-client 'sockexec-client /run/x/exec.sock unam')
    check "fish: the program's arguments" grep -x -e --version <(fish_offers sockexec-client 'sockexec-client --ver')
else
    skip "fish completions, asked: there is no fish"
fi
