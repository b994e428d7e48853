"""An independent account of dead letters: which stored events are poison, and which of them have a dead letter.

Written without any of tickgate's code: it reads the files of a server (store_witness.py) and draws the poison events by the
function that docs/dead-letters.md states.

    dead_letter_witness.py record.json      one line of JSON, an item for each group of a fault `poison`; the stores are those that
                                            `run --keep --store DIR` has kept
"""

import collections
import json
import sys

from store_witness import replica, stores
from witness import READINESS, measured, probe

WORD = (1 << 64) - 1
UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9}


def mixed(x):
    """The finaliser of SplitMix64."""
    x = (x + 0x9E3779B97F4A7C15) & WORD
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & WORD
    return x ^ (x >> 31)


def span(text):
    unit = next(unit for unit in ("ms", "s", "m") if text.endswith(unit))
    return int(text.removesuffix(unit)) * UNITS[unit]


class Poison:
    """The poison events of one fault."""

    def __init__(self, fault, record):
        plan = record["plan"]
        names = [group["name"] for group in plan["groups"]]
        self.group = fault["target"]
        self.start = measured(record).start + span(fault["at"])
        self.end = self.start + span(fault["for"])
        self.below = float(fault["poison"]["share"].removesuffix("%")) / 100 * 2**53
        self.salt = mixed(plan["market"]["seed"] ^ mixed(names.index(self.group) + 1))
        (group,) = [group for group in record["groups"] if group["name"] == self.group]
        self.topics = set(group["topics"]) - {f"{self.group}.dlq"}

    def hits(self, found, topic):
        if topic not in self.topics or not self.start <= found.intended_ns < self.end:
            return False
        name = found.topic << 48 ^ found.symbol << 32 ^ found.sequence
        return mixed(self.salt ^ mixed(name)) >> 11 < self.below


def header(stored, name):
    """The only value of a header."""
    values = [line.split(": ", 1)[1] for line in stored.headers.split("\r\n") if line.startswith(f"{name}: ")]
    (value,) = values or [None]
    return value


def account(messages, record):
    topics = record["plan"]["topology"]["topics"]
    faults = [Poison(fault, record) for fault in record["plan"]["faults"] if fault["do"] == "poison"]
    poison, dead = collections.defaultdict(set), collections.defaultdict(collections.Counter)
    at, claims = {}, []
    for stored in messages:
        found = probe(json.loads(stored.payload)["eventId"])
        if found.tag != record["run"]["tag"] or found.symbol == READINESS:
            continue
        key = found.topic, found.symbol, found.sequence
        on = max((topic for topic in topics if stored.subject.endswith(f".{topic}")), key=len)
        if on == topics[found.topic]:
            at[key] = stored.position, stored.subject
            for fault in faults:
                if fault.hits(found, on):
                    poison[fault.group].add(key)
        else:
            dead[on.removesuffix(".dlq")][key] += 1
            claims.append((key, stored))
    for key, stored in claims:
        origin = header(stored, "x-original-sequence"), header(stored, "x-original-subject")
        assert origin == (str(at[key][0]), at[key][1]), (key, origin, at[key])
        assert header(stored, "x-dead-letter-reason") and header(stored, "x-delivery-count"), stored.headers
        assert header(stored, "Nats-Msg-Id").startswith("dlq-tickgate-"), stored.headers
    groups = sorted({fault.group for fault in faults} | set(dead))
    return [
        {
            "group": group,
            "poison": len(poison[group]),
            "stored": len(dead[group]),
            "missing": len(poison[group] - dead[group].keys()),
            "duplicate": sum(dead[group].values()) - len(dead[group]),
            "unexpected": len(dead[group].keys() - poison[group]),
        }
        for group in groups
    ]


def main(path):
    with open(path, encoding="utf-8") as file:
        record = json.load(file)
    print(json.dumps([account(replica(store), record) for store in stores(record).values()]))


if __name__ == "__main__":
    main(sys.argv[1])
