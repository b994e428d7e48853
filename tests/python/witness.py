"""An independent witness: subscribes to a NATS server while tickgate loads it, and reports what it saw.

Written from the documentation alone, without any of tickgate's code. The events are counted, and their order judged,
by the client of the NATS project (a core subscription). The times are taken by a few lines of the protocol on a
blocking socket, in a process of their own: asyncio hands a message over only when its loop gets there, and that delay
would be measured. They read a consumer of the run's stream, as tickgate does, for a core subscription hears of an
event before it is stored.

    witness.py URL      says `ready`, waits for a line with the path of record.json, and answers with a line of JSON
"""

import asyncio
import collections
import json
import multiprocessing
import os
import socket
import statistics
import sys
import time
import urllib.parse
import uuid

import nats

END = "witness.end"
READINESS = 0xFFFF
Probe = collections.namedtuple("Probe", "tag topic symbol sequence intended_ns")


def probe(event_id):
    """What an event id holds: a UUID v7 of 48 bits of milliseconds, 12 of their 4096ths, then tag, symbol, topic and
    sequence in 12, 16, 5 and 29 bits."""
    bits = uuid.UUID(event_id).int
    ms, fraction, low = bits >> 80, (bits >> 64) & 0xFFF, bits & (1 << 62) - 1
    assert (bits >> 76) & 0xF == 7 and (bits >> 62) & 3 == 2, event_id
    intended_ns = ms * 1_000_000 + (fraction * 1_000_000 + 2048) // 4096
    return Probe(low >> 50, (low >> 29) & 0x1F, (low >> 34) & 0xFFFF, low & (1 << 29) - 1, intended_ns)


def of_the_run(events, record):
    """Probe, envelope, and whatever else stands by the payloads of the run's load."""
    for payload, *more in events:
        envelope = json.loads(payload)
        found = probe(envelope["eventId"])
        if found.tag == record["run"]["tag"] and found.symbol != READINESS:
            yield found, envelope, *more


def measured(record):
    """The measure phase in nanoseconds since 1970."""
    (phase,) = [phase for phase in record["phases"] if phase["name"] == "measure"]
    epoch = record["run"]["epoch_unix_ns"]
    return range(epoch + phase["start_ns"], epoch + phase["end_ns"])


def account(events, record):
    """The ledger: counts, gaps and order by topic and symbol, and whether what an event says of itself is so."""
    topics, phase = record["plan"]["topology"]["topics"], measured(record)
    seen, tickers, latest, repeated = collections.defaultdict(list), {}, {}, 0
    backwards = contradictions = in_measure = 0
    ids = set()
    for found, envelope in of_the_run(events, record):
        repeated += envelope["eventId"] in ids
        ids.add(envelope["eventId"])
        seen[found.topic, found.symbol].append(found.sequence)
        backwards += found.intended_ns < latest.get(found.symbol, 0)
        latest[found.symbol] = max(found.intended_ns, latest.get(found.symbol, 0))
        in_measure += found.intended_ns in phase
        micros = found.intended_ns // 1000
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(micros // 1_000_000)) + f".{micros % 1_000_000:06}Z"
        ticker = tickers.setdefault(found.symbol, envelope["payload"].get("symbol"))
        says = (envelope["eventType"], envelope["timestamp"], envelope["payload"].get("symbol"))
        contradictions += says != (topics[found.topic], stamp, ticker)
    gaps = sum(len(set(range(max(of) + 1)) - set(of)) for of in seen.values())
    disorder = sum(a >= b for of in seen.values() for a, b in zip(of, of[1:]))
    return {
        "events": sum(map(len, seen.values())),
        "measured": in_measure,
        "repeated": repeated,
        "gaps": gaps,
        "reordered": disorder + backwards,
        "contradictions": contradictions,
        "counts": sorted([topics[topic], symbol, len(of)] for (topic, symbol), of in seen.items()),
    }


class Raw:
    """As much of the protocol as it takes to receive."""

    def __init__(self, url):
        at = urllib.parse.urlparse(url)
        self.socket = socket.create_connection((at.hostname, at.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer, self.at_ns = b"", 0
        self.line()
        self.say('CONNECT {"verbose":false,"pedantic":false,"headers":true}')
        for sid, subject in enumerate([END, "witness.api", "witness.events"], start=1):
            self.say(f"SUB {subject} {sid}")

    def say(self, line, payload=None):
        text = line if payload is None else f"{line} {len(payload)}\r\n{payload}"
        self.socket.sendall(f"{text}\r\n".encode())

    def read(self):
        more = self.socket.recv(1 << 16)
        self.at_ns = time.time_ns()
        if not more:
            raise ConnectionError("the server is gone")
        self.buffer += more

    def line(self):
        while (end := self.buffer.find(b"\r\n")) < 0:
            self.read()
        line, self.buffer = self.buffer[:end], self.buffer[end + 2 :]
        return line

    def message(self):
        """The next message: number of the subscription, payload, and when its last byte had been read."""
        while True:
            words = self.line().split()
            if words[0] == b"PING":
                self.say("PONG")
            elif words[0] == b"MSG":
                size = int(words[-1])
                while len(self.buffer) < size + 2:
                    self.read()
                payload, self.buffer = self.buffer[:size], self.buffer[size + 2 :]
                return int(words[2]), payload, self.at_ns
            elif words[0] not in (b"INFO", b"PONG", b"+OK"):
                raise ConnectionError(words)


def timed(url, pipe):
    """Reads a consumer of the run's stream, as soon as there is one; sends back (payload, received)."""
    raw = Raw(url)
    pipe.send("ready")
    streams = []
    while not streams:
        time.sleep(0.01)
        raw.say("PUB $JS.API.STREAM.NAMES witness.api", "{}")
        answer = raw.message()
        if answer[0] == 1:
            return pipe.send([])
        streams = [name for name in json.loads(answer[1])["streams"] or [] if name.startswith("tickgate-")]
    config = {"deliver_subject": "witness.events", "ack_policy": "none", "deliver_policy": "all"}
    request = json.dumps({"stream_name": streams[0], "config": config})
    raw.say(f"PUB $JS.API.CONSUMER.CREATE.{streams[0]} witness.api", request)
    received, wanted = [], None
    while wanted is None or len(received) < wanted:
        try:
            subscription, payload, at_ns = raw.message()
        except TimeoutError:
            break
        if subscription == 1:
            # The run is over; what is still on its way comes soon or never.
            wanted = int(payload)
            raw.socket.settimeout(5)
        elif subscription == 2:
            assert "error" not in json.loads(payload), payload
        else:
            received.append((payload, at_ns))
    pipe.send(received)


async def main(url):
    pipe, its_end = multiprocessing.Pipe()
    timing = multiprocessing.Process(target=timed, args=(url, its_end), daemon=True)
    timing.start()
    pipe.recv()
    # Counting can wait, and must not hold up what is timed.
    os.nice(19)
    client = await nats.connect(url)
    events = []

    async def keep(message):
        events.append((message.data,))

    await client.subscribe("ai-trader.>", cb=keep)
    await client.flush()
    print("ready", flush=True)

    loop = asyncio.get_running_loop()
    path = (await loop.run_in_executor(None, sys.stdin.readline)).strip()
    with open(path, encoding="utf-8") as file:
        record = json.load(file)
    await client.publish(END, str(record["resources"]["store_events"]).encode())
    await client.drain()
    stored = await loop.run_in_executor(None, pipe.recv)
    timing.join()
    phase = measured(record)
    late = [at - found.intended_ns for found, _, at in of_the_run(stored, record) if found.intended_ns in phase]
    print(
        json.dumps(
            {
                "heard": account(events, record),
                "stored": account([(payload,) for payload, _ in stored], record),
                "samples": len(late),
                "median_ns": statistics.median_low(late) if late else None,
            }
        )
    )


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    asyncio.run(main(sys.argv[1]))
