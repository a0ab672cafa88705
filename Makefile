# Sets up, builds, shows and tests pcap520. Needs a Rust toolchain (https://rustup.rs) with rustfmt and clippy.

CARGO   ?= cargo
PCAP520 := $${CARGO_TARGET_DIR:-target}/release/pcap520
DEMO    := testdata/corpus/plain/keepalive-race--nginx-2s.pcap
ROOT    := $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: help demo test test-deps bench crowd renew build deps lab readme

help:
	@echo 'make demo     build, and analyze a capture with a 520 in it'
	@echo 'make test     format, lints and all tests'
	@echo 'make bench    what each room costs, and the whole program against its peers'
	@echo 'make crowd    a report of 10,000 incidents in every format, and the page in Chromium'
	@echo 'make renew    write the schema, the snapshots and the profile generic anew, to be looked at with git diff'
	@echo 'make build    the release program, target/release/pcap520'
	@echo 'make deps     install libpcap where it is missing (Debian, Ubuntu)'
	@echo 'make test-deps  install what tests use where it is there: Chromium, tshark (Debian, Ubuntu)'
	@echo 'make readme   run the demo again and put its output into README.md'

demo: build
	$(PCAP520) analyze $(DEMO)

test: deps lab
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) test --locked

# Rooms on traffic of their own making; then the program against the floor, cat and the peers that are installed,
# where there is a bench with captures for it.
BENCH    ?= ../shared/bench
CAPTURES ?= $(wildcard $(BENCH)/*.pcap)
bench: build
	$(CARGO) bench --locked --bench rooms
	@if [ -x '$(BENCH)/compare' ]; then \
	  for capture in $(CAPTURES); do '$(BENCH)/compare' "$(PCAP520)" "$$capture"; done; \
	fi

# The files that tests hold the program's output against.
crowd: deps
	$(CARGO) bench --locked --bench crowd

renew: deps
	PCAP520_RENEW=1 $(CARGO) test --locked --test edge_profile --test schema --test snapshots

build: deps
	$(CARGO) build --locked --release

# What the build links against is there when an empty library links against it.
deps:
	@probe=$$(mktemp) && trap 'rm -f "$$probe"' EXIT; \
	linked() { cc -shared -x c /dev/null -lpcap -o "$$probe" 2>/dev/null; }; \
	if linked; then exit; fi; \
	if command -v apt-get >/dev/null; then \
	  (set -ex; \
	    $(ROOT) apt-get update; \
	    $(ROOT) env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends libpcap-dev); \
	fi; \
	linked || { echo 'pcap520 needs a C compiler (cc) and the development files of libpcap: install both' >&2; exit 1; }

# The programs of the lab in tests/live, whose test is skipped where one is missing.
lab:
	@missing=; for program in nginx tcpdump ip iptables python3 openssl ab; do command -v $$program >/dev/null || missing=1; done; \
	if [ -n "$$missing" ] && command -v apt-get >/dev/null; then \
	  (set -x; $(ROOT) apt-get update && $(ROOT) env DEBIAN_FRONTEND=noninteractive \
	    apt-get install --yes --no-install-recommends nginx tcpdump iproute2 iptables python3 openssl apache2-utils) || true; \
	fi

# Tests that need these say so and pass where they are missing.
test-deps:
	@missing=; \
	command -v chromium >/dev/null || missing="$$missing chromium"; \
	command -v tshark >/dev/null || missing="$$missing tshark"; \
	if test -z "$$missing"; then exit; fi; \
	if command -v apt-get >/dev/null; then \
	  (set -ex; \
	    $(ROOT) apt-get update; \
	    $(ROOT) env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $$missing); \
	else echo "not installed:$$missing; some tests will be skipped" >&2; fi

readme: build
	@report=$$($(PCAP520) analyze $(DEMO)) && { \
	  sed '/^<!-- demo -->$$/q' README.md; \
	  printf '```text\n$$ pcap520 analyze %s\n%s\n```\n' '$(DEMO)' "$$report"; \
	  sed -n '/^<!-- end of demo -->$$/,$$p' README.md; \
	} > README.md.new && mv README.md.new README.md
