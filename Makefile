# The usual targets. `make demo` and `make check` are ./demo and ./check, which also work without make.

PREFIX  ?= /usr/local
DESTDIR ?=
CARGO   ?= cargo

# The directory of cargo's output; CARGO_TARGET_DIR moves it.
TARGET  := $(or $(CARGO_TARGET_DIR),target)
RELEASE := $(TARGET)/release

.PHONY: all demo check unit lint deny bench fuzz deb dist install uninstall clean

all:
	$(CARGO) build --release --locked
	scripts/notices text >$(RELEASE)/THIRD-PARTY-NOTICES.new
	mv $(RELEASE)/THIRD-PARTY-NOTICES.new $(RELEASE)/THIRD-PARTY-NOTICES

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

# The sources with those of all crates, $(TARGET)/dist/sockexec_VERSION.orig.tar.xz; for builds without a network.
dist:
	scripts/dist $(abspath $(TARGET))/dist

# Installs the output of `make`, and builds nothing: root may have no compiler. The units go where systemd looks
# with the PREFIX /usr/local or /usr, and the configuration to $(DESTDIR)/etc.
install:
	PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' RELEASE='$(RELEASE)' scripts/install install

# Removes what `make install` with the same PREFIX and DESTDIR has brought, and nothing else.
uninstall:
	PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' scripts/install uninstall

clean:
	$(CARGO) clean
