# Two commands do everything: `make demo` shows the main job, `make test` passes every test.

CARGO ?= cargo

.PHONY: help build demo test test-gate test-peers lint bench

help:
	@echo "make demo   build and run the gate, demo tools and a scripted agent"
	@echo "make test   run every test (test-gate and test-peers)"
	@echo "make test-gate    those that need a Rust toolchain and python3"
	@echo "make test-peers   official SDKs, the MCP conformance suite and agent frameworks, from PyPI and npm"
	@echo "make lint   formatting and lints"
	@echo "make bench  print measurements (nothing fails on a time)"
	@echo "make build  the release binary, target/release/toolgate"

build:
	$(CARGO) build --release --locked

demo:
	$(CARGO) build --locked --bin toolgate
	$(CARGO) run --quiet --locked --example demo

# python3 is the independent judge of digests; everything else comes with the Rust toolchain.
test: test-gate test-peers

test-gate: python3
	$(CARGO) test --locked
	$(CARGO) test --locked --features weakened --test weakened -- --nocapture
	$(CARGO) run --quiet --locked --bin toolgate -- test policies
	$(CARGO) run --quiet --locked --example demo >/dev/null

# What others wrote, against the gate. The first run installs it below target/peers: about 1 GB.
test-peers: python3
	tests/peers/install.sh
	$(CARGO) build --quiet --locked --bin toolgate
	python3 tests/peers/mcp_clients.py
	python3 tests/peers/model_clients.py
	python3 tests/peers/frameworks.py
	python3 tests/peers/conformance.py

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings

bench:
	$(CARGO) bench --locked

.PHONY: python3
python3:
	@command -v python3 >/dev/null || { \
	  echo "python3 is missing; installing it with apt-get"; \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  $$sudo apt-get update -q && $$sudo apt-get install -q -y --no-install-recommends python3; } || { \
	  echo "make test needs python3, which could not be installed here"; exit 1; }
