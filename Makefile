# One-liners over `cargo xtask`; the logic is in xtask/.
CARGO ?= cargo

.PHONY: demo demo-k8s test check fix interop setup

demo: rust ## three monitors, the stock ceph command, a leader's death: from nothing, step by step
	$(CARGO) xtask demo

demo-k8s: rust ## a Kubernetes on this machine (or that of KUBECONFIG): chart, three monitors, scaling, a dead node
	$(CARGO) xtask k8s demo

test: rust ## the gate: format, lints, tests, docs, tidy, interop with stock Ceph
	$(CARGO) xtask test

check: rust ## the part of the gate that runs no tests
	$(CARGO) xtask check

fix: rust ## format, and apply what lints can mend
	$(CARGO) xtask fix

interop: rust ## only the tests against stock Ceph
	$(CARGO) xtask interop

setup: rust ## install the packages that the build needs
	$(CARGO) xtask setup

.PHONY: rust
rust:
	@command -v $(CARGO) >/dev/null || { echo "cargo is missing: install Rust from https://rustup.rs, then try again"; exit 1; }
	@command -v cc >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -q && apt-get install -q -y --no-install-recommends gcc libc6-dev; } || { echo "a C linker is missing: apt-get install gcc libc6-dev"; exit 1; }
