"""An independent witness of what the servers of a cluster have stored: reads the files of each replica after the run.

Written without any of tickgate's code, and without a server: a reader of the API sees the one replica that the cluster
chooses for it, and servers that are started again repair each other first. The layout of a record in a block file is
that of nats-server 2.10 to 2.15 (server/filestore.go):

    length 4 (bit 31: has headers) · sequence 8 · time 8 · subject's length 2 · subject · [headers' length 4] · headers
    and payload · checksum 8          all little-endian; bits 63 and 62 of a sequence mark what was erased

Beside the account of the events it says how long nothing was stored in time: the slots of 10 ms of intended time of the
measure phase in which no event was stored within the limit of its intended time, by the *server's* clock.

    store_witness.py record.json      one line of JSON; the stores are those that `run --keep --store DIR` has kept
"""

import collections
import hashlib
import json
import pathlib
import re
import struct
import sys

from witness import READINESS, measured, probe

SLOT_NS = 10_000_000
HAS_HEADERS, ERASED = 1 << 31, 0b11 << 62
HEADER = struct.Struct("<IQqH")
Stored = collections.namedtuple("Stored", "position at_ns payload subject headers")


def records(block):
    """The messages of a block file, in the order in which they were stored."""
    data, at = block.read_bytes(), 0
    assert not data.startswith(b"cmp"), f"{block} is compressed"
    while at < len(data):
        length, position, at_ns, subject = HEADER.unpack_from(data, at)
        headers = bool(length & HAS_HEADERS)
        length &= ~HAS_HEADERS
        end = at + length
        assert HEADER.size + subject + 8 <= length and end <= len(data), f"{block}: no record at {at}"
        named = at + HEADER.size
        begin, head = named + subject, b""
        if headers:
            size = struct.unpack_from("<I", data, begin)[0]
            head = data[begin + 4 : begin + 4 + size]
            begin += 4 + size
        if not position & ERASED:
            yield Stored(position, at_ns, data[begin : end - 8], data[named : named + subject].decode(), head.decode())
        at = end


def replica(store):
    """All messages of the run's stream in a store."""
    streams = pathlib.Path(store).glob("jetstream/*/streams/tickgate-*/msgs")
    (stream,) = [found for found in streams if not found.parent.name.endswith("-dead-letters")]
    blocks = sorted(stream.glob("*.blk"), key=lambda block: int(block.stem))
    return [stored for block in blocks for stored in records(block)]


def account(messages, record):
    """The ledger of a replica, its availability, and a digest of every position and what it holds."""
    topics, phase = record["plan"]["topology"]["topics"], measured(record)
    limit = record["faults"]["availability"]["within_ns"]
    highest, seen, by_topic = {}, set(), collections.Counter()
    twice = late = 0
    slots = [False] * -(-len(phase) // SLOT_NS)
    digest = hashlib.sha256()
    for stored in messages:
        digest.update(b"%d %d " % (stored.position, stored.at_ns) + stored.payload)
        found = probe(json.loads(stored.payload)["eventId"])
        if found.tag != record["run"]["tag"] or found.symbol == READINESS:
            continue
        key = found.topic, found.symbol
        if (key, found.sequence) in seen:
            twice += 1
            continue
        seen.add((key, found.sequence))
        by_topic[topics[found.topic]] += 1
        late += found.sequence < highest.get(key, -1)
        highest[key] = max(found.sequence, highest.get(key, -1))
        if found.intended_ns in phase and stored.at_ns - found.intended_ns <= limit:
            slots[(found.intended_ns - phase.start) // SLOT_NS] = True
    down = [len(run) for run in re.findall("0+", "".join("01"[up] for up in slots))]
    positions = [stored.position for stored in messages]
    return {
        "stored": len(seen),
        "by_topic": sorted(by_topic.items()),
        "twice": twice,
        "out_of_order": late,
        "gaps": positions != list(range(1, len(positions) + 1)),
        "unavailable_ns": sum(down) * SLOT_NS,
        "longest_ns": max(down, default=0) * SLOT_NS,
        "digest": digest.hexdigest(),
    }


def stores(record):
    """The store of each server, by its name."""
    nodes = [node["name"] for node in record["faults"]["nodes"]]
    kept = re.split(", (?=(?:%s) )" % "|".join(map(re.escape, nodes)), record["broker"]["settings"]["kept stores"])
    return dict(each.split(" ", 1) for each in kept)


def main(path):
    with open(path, encoding="utf-8") as file:
        record = json.load(file)
    kept = stores(record)
    print(json.dumps([{"node": node, **account(replica(kept[node]), record)} for node in kept]))


if __name__ == "__main__":
    main(sys.argv[1])
