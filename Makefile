# Two commands do everything: `make demo` shows the main job, `make test` passes every test.

CARGO ?= cargo

.PHONY: help build demo test test-gate test-peers test-telemetry test-backends lint bench

help:
	@echo "make demo   build and run the gate, demo tools and a scripted agent"
	@echo "make demo OTLP=http://127.0.0.1:6006   the same, with its runs sent to a collector, such as Phoenix"
	@echo "make test   run every test (test-gate, test-peers and test-telemetry)"
	@echo "make test-gate    those that need a Rust toolchain and python3"
	@echo "make test-peers   official SDKs, the MCP conformance suite and agent frameworks, from PyPI and npm"
	@echo "make test-telemetry   the demo as Phoenix (PyPI) and Prometheus (Debian) tell of it"
	@echo "make test-backends    the same, and as MLflow (PyPI) does"
	@echo "make lint   formatting and lints"
	@echo "make bench  print measurements (nothing fails on a time)"
	@echo "make build  the release binary, target/release/toolgate"

build:
	$(CARGO) build --release --locked

demo:
	$(CARGO) build --locked --bin toolgate
	$(CARGO) run --quiet --locked --example demo -- $(if $(OTLP),--otlp $(OTLP))

# python3 is the independent judge of digests; everything else comes with the Rust toolchain.
test: test-gate test-peers test-telemetry

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

# The demo's runs in real backends. The first run installs them below target/backends: about 0.8 GB.
test-telemetry: python3
	tests/backends/install.sh phoenix prometheus
	$(CARGO) build --quiet --locked --bin toolgate --example demo
	python3 tests/backends/telemetry.py

# As much again for MLflow, which is no part of `make test`.
test-backends: test-telemetry
	tests/backends/install.sh mlflow
	python3 tests/backends/mlflow_traces.py

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
