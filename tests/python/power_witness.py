"""An independent witness of losses of power: what the files of each server's store hold after the run.

Written without any of tickgate's code, and without a server, as `store_witness.py`. A stream that is gone has left no block, or
an empty one. Beside the account of each replica it says what the run's own events show of the loss:

    holes           sequence numbers of a symbol in a topic that are missing below a later one that is stored
    kept_before_ns  how long before the loss the newest event was stored of those that were stored before it, by the server's clock

    power_witness.py record.json      one line of JSON; the stores are those that `run --keep --store DIR` has kept
"""

import collections
import json
import pathlib
import sys

from store_witness import account, replica, stores
from witness import READINESS, probe


def messages(store):
    """All messages of the run's stream in a store; none if the stream is gone."""
    if not any(block.stat().st_size for block in pathlib.Path(store).glob("jetstream/*/streams/tickgate-*/msgs/*.blk")):
        return []
    return replica(store)


def holes(held, record):
    """How many events are missing below a later one of their topic and symbol."""
    seen = collections.defaultdict(set)
    for stored in held:
        found = probe(json.loads(stored.payload)["eventId"])
        if found.tag == record["run"]["tag"] and found.symbol != READINESS:
            seen[found.topic, found.symbol].add(found.sequence)
    return sum(max(of) + 1 - len(of) for of in seen.values())


def main(path):
    with open(path, encoding="utf-8") as file:
        record = json.load(file)
    (fault,) = record["faults"]["injected"]
    lost_at = record["run"]["epoch_unix_ns"] + fault["begun_ns"]
    said = []
    for node, store in stores(record).items():
        held = messages(store)
        before = [stored.at_ns for stored in held if stored.at_ns <= lost_at]
        of_loss = {"holes": holes(held, record), "kept_before_ns": lost_at - max(before) if before else None}
        said.append({"node": node, **account(held, record), **of_loss})
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1])
