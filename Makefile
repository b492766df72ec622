# The usual targets. `make demo` and `make check` are ./demo and ./check, which also work without make.

PREFIX  ?= /usr/local
DESTDIR ?=
CARGO   ?= cargo

# The directory of cargo's output; CARGO_TARGET_DIR moves it.
TARGET  := $(or $(CARGO_TARGET_DIR),target)
RELEASE := $(TARGET)/release

SBIN    = $(DESTDIR)$(PREFIX)/sbin
BIN     = $(DESTDIR)$(PREFIX)/bin
MAN     = $(DESTDIR)$(PREFIX)/share/man
CATALOG = $(DESTDIR)$(PREFIX)/lib/systemd/catalog
LUA     = $(DESTDIR)$(PREFIX)/share/lua

.PHONY: all demo check unit lint deny bench fuzz deb install clean

all:
	$(CARGO) build --release --locked

# Starts a server on a socket of its own and runs real programs through it.
demo:
	./demo

# All checks. Installs the Debian packages that the tests need.
check:
	./check

# The tests in Rust; a test whose tools are missing reports that and is skipped.
unit: all
	$(CARGO) test --locked

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps
	sh tests/lint

# Licences and advisories of the crates in Cargo.lock.
deny:
	sh tests/deny

# The cost of the server, compared with the bare work in the same run.
bench: all
	$(CARGO) bench --locked --bench bench

# A short run of each fuzz target, FUZZ_SECONDS each; needs a nightly compiler.
fuzz:
	sh tests/fuzz

# The Debian packages, below $(TARGET)/debian.
deb:
	debian/build $(abspath $(TARGET))/debian

# Installs the output of `make`, and builds nothing: root may have no compiler.
install:
	install -D -m 755 $(RELEASE)/sockexec $(SBIN)/sockexec
	ln -sf sockexec $(SBIN)/sockproc
	install -D -m 755 $(RELEASE)/sockexec-client $(BIN)/sockexec-client
	ln -sf sockexec-client $(BIN)/sockexec.client
	install -D -m 755 $(RELEASE)/sockexecctl $(BIN)/sockexecctl
	install -D -m 644 man/sockexec.8 $(MAN)/man8/sockexec.8
	install -D -m 644 man/sockproc.8 $(MAN)/man8/sockproc.8
	install -D -m 644 man/sockexec.toml.5 $(MAN)/man5/sockexec.toml.5
	install -D -m 644 man/sockexec-client.1 $(MAN)/man1/sockexec-client.1
	ln -sf sockexec-client.1 $(MAN)/man1/sockexec.client.1
	install -D -m 644 man/sockexecctl.1 $(MAN)/man1/sockexecctl.1
	install -D -m 644 man/sockexec-protocol.7 $(MAN)/man7/sockexec-protocol.7
	install -D -m 644 systemd/sockexec.catalog $(CATALOG)/sockexec.catalog
	for version in 5.1 5.2 5.3 5.4; do \
		(cd lua/lib && find . -name '*.lua') | while read -r file; do \
			install -D -m 644 "lua/lib/$$file" "$(LUA)/$$version/$$file" || exit 1; \
		done || exit 1; \
	done

clean:
	$(CARGO) clean
