# Everything a contributor runs, from a clean checkout with Rust and Python 3. `make` alone lists it.

PROFILE ?= quick
SEEDS ?= 2000
SEARCHES ?= 100
NIGHTS ?= 250
BASELINES ?= 100
FIRST ?= 0
PART ?=
TARGET ?= profile objective pattern outside event record journal properties jaas frames model conf
SECONDS ?= 60
MINUTES ?= 5
ROUNDS ?= 5
N ?= 100
RUNS ?= 20
SEED ?= 1
COUNT ?= 30
PEERS ?=
FLOOR ?=
# External programs without which `make test` fails (see tests/); others that are missing are listed at its end.
export TICKGATE_REQUIRE ?= nats
# Tests wait more than they compute: twice as many at once as there are cores.
THREADS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) * 2)))

# What `make demo` builds: `demo` (quick to build, without Kafka and containers) or `release` (the program of `make build`).
BUILD ?= demo
FLAGS_demo := --profile demo --no-default-features
FLAGS_release := --release
# `make test` builds its tests in the dev profile; with BUILD=release in that of the program, whose dependencies they then share.
RELEASE = $(filter --release,$(FLAGS_$(BUILD)))

CARGO := cargo --locked

.PHONY: help build demo image cluster test sim searches baselines campaign kills power-losses mutants fuzz ci-docs check audit bench bench-floor bench-peers busy instructions memory flame example brokers compiler linker
.NOTPARALLEL:

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: compiler ## build everything, Kafka included: target/release/tickgate
	$(CARGO) build --release

demo: linker brokers ## build what this needs, run the profile `quick` on a local NATS server and show the verdict (PROFILE=…; BUILD=release for the full build)
	@$(CARGO) run $(FLAGS_$(BUILD)) -- run $(PROFILE) --broker local; code=$$?; \
	case $$code in \
	0) echo "demo: pass (exit code 0)" ;; \
	3) echo "demo: INCONCLUSIVE (exit code 3): this machine was too noisy or too slow to judge; the report says why" ;; \
	*) echo "demo: failed (exit code $$code)" >&2; exit $$code ;; \
	esac

image: build ## make the container image tickgate:VERSION of the full build (needs docker; pulls nothing)
	scripts/image.sh build target/release/tickgate tickgate:$$(sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml | head -n 1)

cluster: compiler brokers ## test runs on a NATS cluster of three containers (needs docker)
	$(CARGO) build
	scripts/cluster.sh

test: compiler brokers ## all tests, on real brokers where a test is about a broker (BUILD=release: optimised)
	@scripts/kafka.sh check || echo "left out: tests on a real Kafka"
	@scripts/test.sh $(THREADS) $(RELEASE)
	@scripts/browser.sh check || echo "left out: the look at reports in a real browser"
	@scripts/shells.sh check || echo "left out: completions in zsh and fish"
	@scripts/python.sh || echo "left out: what Python reads back and witnesses, and running the workflows of docs/ci"
	@scripts/brokers.sh nats-previous || echo "left out: an upgrade from an earlier nats-server"
	@scripts/java.sh check || echo "left out: reading the log of distributions back with Java"
	@scripts/natscli.sh check || echo "left out: runs on streams that the nats command line has made"
	@scripts/docker.sh check || echo "left out: brokers in containers"
	@scripts/confined.sh check || echo "left out: a starved tickgate"

sim: ## seeded simulations against an oracle (SEEDS=10000 for more, FIRST=… for the first seed)
	TICKGATE_SEEDS=$(SEEDS) TICKGATE_FIRST_SEED=$(FIRST) $(CARGO) test --release --test pure -- swarm::every_ --nocapture

searches: ## searches for the capacity of simulated queues, against theory (SEARCHES=100)
	TICKGATE_SEARCHES=$(SEARCHES) $(CARGO) test --release --test pure -- capacity:: --nocapture

baselines: ## simulated checks against baselines, in many replays: false alarms and power
	$(CARGO) test --release --lib -- --ignored baseline:: stats::looks

.PHONY: nights
nights: ## simulated nights of a baseline, each figure that of a simulated run: a year without a change, and one of +10 % (NIGHTS=250 BASELINES=100)
	TICKGATE_NIGHTS=$(NIGHTS) TICKGATE_BASELINES=$(BASELINES) $(CARGO) test --release --test pure -- nights:: --nocapture

campaign: compiler brokers ## drawn accounts and properties files, with nats-py and Kafka's own client as referees (COUNT=30 accounts, SEED=…)
	TICKGATE_REQUIRE=nats,python TICKGATE_CAMPAIGN_SEED=$(SEED) TICKGATE_CAMPAIGN=$(COUNT) \
		$(CARGO) test --test program -- campaign:: --nocapture
	TICKGATE_CAMPAIGN_SEED=$(SEED) $(CARGO) test --test kafka -- campaign:: --nocapture

kills: compiler brokers ## kill a server of three at a random instant, N=100 times; a witness reads what each of them has stored (SEED=… for the first)
	TICKGATE_REQUIRE=nats,python TICKGATE_KILLS_SEED=$(SEED) TICKGATE_KILLS=$(N) $(CARGO) test --test program -- kills:: --nocapture

power-losses: compiler brokers ## emulated losses of power of all servers, N=100 of each of five configurations; a witness reads what each server has left (SEED=…)
	TICKGATE_REQUIRE=nats,python TICKGATE_POWER_LOSSES_SEED=$(SEED) TICKGATE_POWER_LOSSES=$(N) \
		$(CARGO) test --test program -- power_losses:: --nocapture

mutants: ## mutation tests of the measuring code (PART=verdict, measure, probe, load or topology for one part)
	scripts/mutants.sh $(PART)

fuzz: ## fuzz the readers of external input, SECONDS=60 for each target (TARGET=journal for one of them)
	scripts/fuzz.sh $(SECONDS) $(TARGET)

# Cargo takes what was built of another commit of the same repository for this one.
ci-docs: compiler brokers ## run the workflows of docs/ci as they stand, `cargo install` of this commit included (ten minutes)
	rm -rf target/ci-docs
	TICKGATE_REQUIRE=nats,python,install $(CARGO) test --test program -- ci_docs::

check: ## formatting, lints, documentation, licences and sources of the dependencies
	cargo fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --no-deps --lib
	RUSTDOCFLAGS="-Dwarnings --cfg internals" $(CARGO) doc --no-deps --document-private-items
	scripts/tools.sh cargo-deny
	.tools/bin/cargo-deny --locked check licenses bans sources

audit: ## advisories for the dependencies, by RustSec's database (needs a network that reaches it)
	scripts/tools.sh cargo-deny
	.tools/bin/cargo-deny --locked check advisories

bench: ## benches of the hot paths
	$(CARGO) bench

bench-floor: compiler brokers ## compare with a minimal client on plain sockets, in turn (ROUNDS=5; FLOOR="--rates 10000")
	$(CARGO) bench --bench floor -- --rounds $(ROUNDS) $(FLOOR)

bench-peers: compiler brokers ## compare with nats bench on one server, in turn (ROUNDS=5; PEERS="--kafka" for Kafka's own tools, --long)
	scripts/peers.sh --rounds $(ROUNDS) $(PEERS)

busy: compiler brokers ## count the verdicts of this machine under background load (RUNS=20 of PROFILE=quick beside LOADS="0 50 100 starved")
	$(CARGO) build --release
	PROFILE=$(PROFILE) scripts/busy.sh $(RUNS)

instructions: ## count the instructions of each step of an event's path, against benches/instructions/counts.txt
	scripts/instructions.sh

memory: compiler brokers ## check that tickgate's memory stays flat (five minutes at 10,000 events/s, extrapolated to an hour; MINUTES=60 for the hour)
	$(CARGO) build --release
	scripts/memory.sh $(MINUTES)

flame: ## draw where tickgate's CPU time goes at 10,000 events/s, docs/flame-10k.svg (needs perf)
	scripts/flame.sh docs/flame-10k.svg --set load.duration=20s

example: ## make reports/example/ with the picture in the README (a run of adr-002; needs a browser), and reports/example-failover/
	scripts/example.sh
	scripts/example.sh failover

# The tools for building librdkafka; prints how to install them, or how to build without.
compiler:
	@scripts/build.sh check

linker:
	@scripts/build.sh linker

brokers: ## put a nats-server of the pinned version into .brokers/
	scripts/brokers.sh nats
