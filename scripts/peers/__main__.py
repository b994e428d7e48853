"""Runs tickgate and another load generator in turn, on one broker, and tells what each made of it and what it cost.

    python3 scripts/peers [--kafka] [--long] [--rounds N]    what `make bench-peers` runs, through scripts/peers.sh
    python3 scripts/peers --selftest                         the reading of what the tools say, on what they once said

A figure is either what a tool said of itself, read strictly, or what the kernel counted of its process. What is
missing or fails is named in the table in the figure's place. Needs Linux and nothing beyond Python's own library.
"""

import argparse
import atexit
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

sys.dont_write_bytecode = True


import selftest  # noqa: E402
from process import said  # noqa: E402
from reading import SIZE, Trouble  # noqa: E402
from table import Side, written  # noqa: E402
from tools import ROOT, Kafka, Nats, Tickgate  # noqa: E402


def in_turn(bench, rows, rounds):
    """Each row once a round: tickgate first in one, its peer first in the next."""
    table = [(what, Side(), Side()) for what, _, _ in rows]
    for number in range(rounds):
        for (what, ours, peer), (_, mine, theirs) in zip(rows, table):
            print(f"peers: round {number + 1} of {rounds}: {what}", file=sys.stderr)
            turns = [
                lambda: mine.take(f"{what}: tickgate", lambda: ours.run(bench)),
                lambda: theirs.take(f"{what}: {bench.peer}", peer),
            ]
            for turn in turns if number % 2 == 0 else reversed(turns):
                turn()
    return table


def alone(bench, rounds, seconds):
    """tickgate by itself at a pace, one group receiving."""
    rows = [(f"{rate},000/s", f"{rate}k/s", Side()) for rate in (10, 50, 100)]
    for number in range(rounds):
        for what, rate, side in rows:
            print(f"peers: round {number + 1} of {rounds}: tickgate alone, {what}", file=sys.stderr)
            ours = Tickgate(rate, groups=True, seconds=seconds, warmup=2)
            side.take(f"{what}, one group", lambda: ours.run(bench))
    return [(what, side) for what, _, side in rows]


def compare(options):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tickgate-peers-", dir=options.store))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    load_before = os.getloadavg()[0]
    bench = (Kafka if options.kafka else Nats)(folder, options.tickgate)
    table = in_turn(bench, bench.rows(options.messages, options.seconds), options.rounds)
    rows = alone(bench, options.rounds, 60 if options.long else 15)
    account = {
        "schema": "tickgate.peers/1",
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {"cores": os.cpu_count(), "load_before": load_before, "load_after": os.getloadavg()[0]},
        "versions": {"tickgate": said([options.tickgate, "--version"])} | bench.versions,
        "rounds": options.rounds,
        "event_bytes": SIZE,
        "rows": [{"what": w, "tickgate": a.account(), "peer": b.account()} for w, a, b in table],
        "alone": [{"what": what, "tickgate": side.account()} for what, side in rows],
    }
    text = written(account, table, rows, bench.remark, bench.peer)
    name = "peers-kafka" if options.kafka else "peers"
    out = ROOT / "target/peers"
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(json.dumps(account, indent=1) + "\n")
    (out / f"{name}.md").write_text(text)
    print(text)
    print(f"peers: written to target/peers/{name}.md and .json", file=sys.stderr)
    sides = [side for _, *both in table for side in both] + [side for _, side in rows]
    return 1 if any(side.failed for side in sides) else 0


def arguments():
    parser = argparse.ArgumentParser(description="tickgate beside another load generator, on one broker")
    parser.add_argument("--kafka", action="store_true", help="Kafka and its perf tools in place of NATS and nats bench")
    parser.add_argument("--long", action="store_true", help="the paced runs take 60 s each, not 15 s")
    parser.add_argument("--rounds", type=int, default=5, choices=range(1, 21), metavar="1..20")
    parser.add_argument("--messages", type=int, default=1_000_000, help="events of a run of the peer")
    parser.add_argument("--seconds", type=int, default=5, choices=range(1, 31), metavar="1..30", help="of tickgate's")
    parser.add_argument("--tickgate", default=ROOT / "target/release/tickgate", help="the program (a release build)")
    parser.add_argument("--store", default="/var/tmp", help="the folder in which the broker's is made, on a disk")
    parser.add_argument("--selftest", action="store_true", help="check the reading of what the tools say, and end")
    options = parser.parse_args()
    if not 10_000 <= options.messages <= 5_000_000:
        parser.error("--messages: 10,000 to 5,000,000")
    return options


def main():
    options = arguments()
    if options.selftest:
        return selftest.main()
    # An orderly exit, so that started processes end too.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        return compare(options)
    except Trouble as why:
        print(f"peers: {why}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
