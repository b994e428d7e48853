"""What each tool says of its run, read strictly: figures, or trouble where the text is not as it is known."""

import csv
import io
import re

# The size of tickgate's event in a run of one topic, unpadded; a run whose mean is another by more than 2 % fails.
SIZE = 325


class Trouble(Exception):
    """A tool failed, or did not say what it was expected to say."""


class LeftOut(Exception):
    """A tool, or a way to use it, that is not to be had here."""


def read_nats(text, messages):
    """The file of `nats bench --csv`: one client, `messages` of SIZE bytes."""
    rows = list(csv.reader(io.StringIO(text)))
    head = "#RunID ClientID MsgCount MsgBytes MsgsPerSec BytesPerSec DurationSecs".split()
    if len(rows) != 2 or rows[0][:7] != head or len(rows[1]) != len(rows[0]):
        raise Trouble(f"`nats bench --csv` wrote what is not known: {text!r}")
    row = dict(zip(*rows))
    if int(row["MsgBytes"]) != messages * SIZE:
        raise Trouble(f"nats bench tells of {row['MsgBytes']} bytes, not {messages} times {SIZE}")
    figures = {"rate": messages / float(row["DurationSecs"]), "events": messages}
    if abs(figures["rate"] - float(row["MsgsPerSec"])) > 0.01 * figures["rate"]:
        raise Trouble(f"nats bench contradicts itself: {text!r}")
    if "P50LatencyMicroSecs" in row:
        figures["ack_p50_us"] = float(row["P50LatencyMicroSecs"])
    return figures


PRODUCED = re.compile(
    r"^(\d+) records sent, ([\d.]+) records/sec \([\d.]+ MB/sec\), [\d.]+ ms avg latency, [\d.]+ ms max latency, "
    r"(\d+) ms 50th, \d+ ms 95th, \d+ ms 99th, \d+ ms 99\.9th\.$"
)


def read_producer(text, messages):
    """The last line of Kafka's ProducerPerformance."""
    found = [match for line in text.splitlines() if (match := PRODUCED.match(line.strip()))]
    if len(found) != 1 or int(found[0][1]) != messages:
        raise Trouble(f"ProducerPerformance says what is not known: {text[-300:]!r}")
    return {"rate": float(found[0][2]), "events": messages, "ack_p50_us": 1000 * float(found[0][3])}


CONSUMED = (
    "start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, "
    "fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec"
)


def read_consumer(text, messages):
    """The table of Kafka's ConsumerPerformance; its rate is over the fetching, without joining the group."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if CONSUMED not in lines or len(lines) != lines.index(CONSUMED) + 2:
        raise Trouble(f"ConsumerPerformance says what is not known: {text[-300:]!r}")
    row = dict(zip(CONSUMED.split(", "), lines[-1].split(", ")))
    events = int(row["data.consumed.in.nMsg"])
    # It stops after the batch in which it has enough.
    if not messages <= events < messages + 10_000:
        raise Trouble(f"ConsumerPerformance got {events} records, not {messages}")
    return {"rate": float(row["fetch.nMsg.sec"]), "events": events}


def read_record(record, receiving, paced):
    """The record of a run of tickgate: figures, and from when to when (ns since 1970) it received, where that counts.

    What a paced load could not get rid of is a figure; where the load is as much as there is room for, it is trouble.
    """
    if record.get("schema") != "tickgate.record/1":
        raise Trouble(f"not a record of tickgate that is known: {record.get('schema')!r}")
    load, groups = record["load"], record["groups"]
    if record["run"]["end"] != "completed":
        raise Trouble(f"tickgate's run ended as {record['run']['end']}: {record['run'].get('reason')}")
    sums = {key: load[key] for key in ("unsent", "refused", "unconfirmed")}
    for key in ("lost", "duplicate", "reordered", "corrupt", "foreign"):
        sums[key] = sum(group[key] for group in groups)
    wrong = {key: count for key, count in sums.items() if count}
    if load["acked"] == 0 or (wrong and not paced):
        raise Trouble(f"tickgate's ledger of {load['acked']} events is not clean: {wrong}")
    mean = load["bytes"] / load["sent"]
    if abs(mean - SIZE) > 0.02 * SIZE:
        raise Trouble(f"tickgate's events have {mean:.0f} bytes in the mean, not {SIZE}: change that in reading.py")
    figures = {"rate": load["acked_rate"], "events": load["acked"], "ack_p50_us": load["ack"]["p50_ns"] / 1e3}
    figures |= sums
    if groups:
        latency = groups[0]["latency"]
        figures |= {"p50_us": latency["p50_ns"] / 1e3, "p99_us": latency["p99_ns"] / 1e3}
    if not receiving:
        return figures, None
    group = groups[0]
    first, last = group["first_received_ns"], group["last_received_ns"]
    figures |= {"events": group["delivered"], "rate": group["delivered"] / ((last - first) / 1e9)}
    epoch = record["run"]["epoch_unix_ns"]
    return figures, (epoch + first, epoch + last)
