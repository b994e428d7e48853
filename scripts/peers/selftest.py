"""The reading of what the tools say, tried on what they once said, and on what they must not get away with."""

import contextlib
import copy
import io

from process import Done
from reading import Trouble, read_consumer, read_nats, read_producer, read_record
from table import Side, beside, paces, three, written

PUBLISHED = """\
#RunID,ClientID,MsgCount,MsgBytes,MsgsPerSec,BytesPerSec,DurationSecs,MinLatencyMicroSecs,AvgLatencyMicroSecs,\
MaxLatencyMicroSecs,P50LatencyMicroSecs,P90LatencyMicroSecs,P99LatencyMicroSecs,P99.9LatencyMicroSecs,\
StdDevLatencyMicroSecs
Z6ZX3l3aVyAHuzSVfF3AsI,P0,1000000,162500000,71086,23103012.766251,7.033715,5003.157000,14060.060258,271756.622000,\
8347.995000,26749.424000,124765.050000,271756.622000,25165.799030
"""
CONSUMED = """\
#RunID,ClientID,MsgCount,MsgBytes,MsgsPerSec,BytesPerSec,DurationSecs
cRMFri93cCNIx55QCdJMwt,S0,1001002,162500000,80895,26291167.503666,6.180783
"""
PRODUCED = """\
9497 records sent, 1888.1 records/sec (0.59 MB/sec), 1239.7 ms avg latency, 3171.0 ms max latency.
100000 records sent, 12242.899119 records/sec (3.79 MB/sec), 1073.31 ms avg latency, 3171.00 ms max latency, \
1002 ms 50th, 1765 ms 95th, 1852 ms 99th, 2302 ms 99.9th.
"""
FETCHED = """\
start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, \
fetch.MB.sec, fetch.nMsg.sec
2026-11-24 15:27:05:859, 2026-11-24 15:27:13:996, 30.9944, 3.8091, 100000, 12289.5416, 4130, 4007, 7.7351, 24956.3264
"""
RECORD = {
    "schema": "tickgate.record/1",
    "run": {"end": "completed", "epoch_unix_ns": 1_000},
    "load": {"acked": 1000, "sent": 1000, "unsent": 0, "refused": 0, "unconfirmed": 0, "bytes": 324_500,
             "acked_rate": 500.0, "ack": {"p50_ns": 250_000}},
    "groups": [{"lost": 0, "duplicate": 0, "reordered": 0, "corrupt": 0, "foreign": 0, "delivered": 1000,
                "first_received_ns": 2_000_000_000, "last_received_ns": 2_500_000_000,
                "latency": {"p50_ns": 300_000, "p99_ns": 9_000_000}}],
}  # fmt: skip


def refused(read, *what):
    """It must be trouble."""
    try:
        read(*what)
    except Trouble:
        return
    raise AssertionError(f"{read.__name__} takes {what}")


def changed(**load):
    record = copy.deepcopy(RECORD)
    record["load"] |= load
    return record


def reading():
    figures = read_nats(PUBLISHED, 500_000)
    assert round(figures["rate"]) == 71_086 and figures["ack_p50_us"] == 8347.995, figures
    figures = read_nats(CONSUMED, 500_000)
    assert round(figures["rate"]) == 80_896 and "ack_p50_us" not in figures, figures
    refused(read_nats, CONSUMED, 400_000)
    contradicting, unknown = CONSUMED.replace("80895", "90895"), CONSUMED.replace("MsgsPerSec", "Rate")
    for text in ("", contradicting, unknown, CONSUMED + CONSUMED):
        refused(read_nats, text, 500_000)
    figures = read_producer(PRODUCED, 100_000)
    assert figures == {"rate": 12242.899119, "events": 100_000, "ack_p50_us": 1_002_000.0}, figures
    for text, messages in [("", 100_000), (PRODUCED, 99_999), (PRODUCED.replace("50th", "median"), 100_000)]:
        refused(read_producer, text, messages)
    figures = read_consumer(FETCHED, 100_000)
    assert figures == {"rate": 24956.3264, "events": 100_000}, figures
    for text, messages in [("", 100_000), (FETCHED, 200_000), (FETCHED.replace("MB.sec", "MiB.sec"), 100_000)]:
        refused(read_consumer, text, messages)


def records():
    figures, interval = read_record(RECORD, True, False)
    assert figures["rate"] == 2000 and interval == (2_000_001_000, 2_500_001_000), (figures, interval)
    figures, interval = read_record(changed(unsent=7), False, True)
    assert (figures["rate"], figures["unsent"], interval) == (500, 7, None), figures
    for record in [changed(unsent=7), changed(unconfirmed=1), changed(acked=0), changed(bytes=400_000),
                   RECORD | {"schema": "tickgate.record/2"}, RECORD | {"run": {"end": "interrupted"}}]:  # fmt: skip
        refused(read_record, record, False, False)


def intervals():
    second = 1_000_000_000
    done = Done("", 9, 9, 0, [(index * second, 0.5 * index, 2.0 * index) for index in range(6)])
    assert done.between(second // 2, 4 * second) == (1.75, 7.0)
    idle = Done("", 9, 9, 0, [(index * second, 0.001 * index, 2.0 * index) for index in range(6)])
    refused(idle.between, second, 4 * second)
    for start, end in [(-1, second), (second, 6 * second), (second, second + second // 10)]:
        refused(done.between, start, end)


def tables():
    assert [three(number) for number in (None, 0.1234, 12.34, 999.6, 71_086, 204_567)] == [
        "", "0.123", "12.3", "1,000", "71,100", "205,000"]  # fmt: skip
    run = {"rate": 200_000, "client_us": 1.5, "server_us": 4, "memory_mb": 20, "ack_p50_us": 300}
    mine, theirs = Side([run, run | {"rate": 100_000}, run]), Side([run | {"client_us": 3.0}])
    lines = beside([("publish", mine, theirs)], "peer")
    assert lines[2] == "| publish | tickgate | 200,000 (100,000–200,000) | 1.5 | 4 | 20 |  |", lines
    assert lines[4] == "|  | *tickgate ÷ peer* | ×1.00 | ×0.50 | ×1.00 | ×1.00 |  |", lines
    # No figure and no ratio if one round failed.
    with contextlib.redirect_stderr(io.StringIO()):
        theirs.take("peer", lambda: read_nats("", 1))
    lines = beside([("publish", mine, theirs)], "peer")
    assert "**failed** in round 2" in lines[3] and len(lines) == 4, lines
    assert "failed" in theirs.account() and "median" in mine.account()
    ledger = dict.fromkeys("unsent refused unconfirmed lost duplicate reordered".split(), 1)
    rows = [("10,000/s", Side([run | ledger | {"p50_us": 400, "p99_us": 2000}] * 2))]
    assert "2, 2, 2; 2, 2, 2" in paces(rows)[2], paces(rows)
    machine = {"cores": 2, "load_before": 0.5, "load_after": 1}
    account = {"machine": machine, "rounds": 3, "versions": {"tickgate": "tickgate 0"}, "date": "2026-11-24T00:00:00Z"}
    text = written(account, [("publish", mine, theirs)], rows, "A remark.", "peer")
    assert "Medians of 3 rounds" in text and "A remark." in text, text


def main():
    for check in (reading, records, intervals, tables):
        check()
    print("peers: the tools are read as they should be")
    return 0
