# Everything a contributor runs, from a clean checkout with Rust and Python 3. `make` alone lists it.

PROFILE ?= quick
SEEDS ?= 2000
FIRST ?= 0
PART ?=
# Parts of the outside world without which `make test` fails (see tests/); the rest is named at its end when left out.
export TICKGATE_REQUIRE ?= nats

CARGO := cargo --locked

.PHONY: help demo test sim mutants check bench brokers
.NOTPARALLEL:

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: brokers ## run the profile `quick` on a NATS server of its own and show the verdict (PROFILE=… for another)
	@$(CARGO) run --release -- run $(PROFILE); code=$$?; \
	case $$code in \
	0) echo "demo: pass (exit code 0)" ;; \
	3) echo "demo: INCONCLUSIVE (exit code 3): this machine was too noisy or too slow to judge; the report says why" ;; \
	*) echo "demo: failed (exit code $$code)" >&2; exit $$code ;; \
	esac

test: brokers ## all tests, on real brokers where a test is about a broker
	$(CARGO) test --no-fail-fast
	@scripts/browser.sh check || echo "left out: the look at reports in a real browser"
	@scripts/python.sh || echo "left out: reading reports back with Python"

sim: ## seeded simulations against an oracle (SEEDS=10000 for more of them, FIRST=… to begin elsewhere)
	TICKGATE_SEEDS=$(SEEDS) TICKGATE_FIRST_SEED=$(FIRST) $(CARGO) test --release --test swarm -- every_record --nocapture

mutants: ## does a test notice each small change to the measuring code? (PART=verdict, measure, probe, load or topology for one part)
	scripts/mutants.sh $(PART)

check: ## formatting, lints, documentation, licences and sources of the dependencies
	cargo fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --no-deps --document-private-items
	scripts/tools.sh
	.tools/bin/cargo-deny --locked check licenses bans sources

bench: ## benches of the hot paths
	$(CARGO) bench

brokers: ## put a nats-server of the pinned version into .brokers/
	scripts/brokers.sh nats
