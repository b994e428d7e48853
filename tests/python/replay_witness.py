"""An independent witness of replays: reads the files that the server has kept, and says what each replay had to return.

Written without any of tickgate's code, and without a server. A boundary in time is applied to the time at which the server says that it
stored a message, so what a replay returns is known to the event, not only to the time of a confirmation.

    replay_witness.py record.json      one line of JSON: for each replay the fewest and the most events that it may have returned, and
                                       the time between the first and the last of the fewest; the store is the one that
                                       `run --keep --store DIR` has kept
"""

import json
import sys

from store_witness import replica
from witness import READINESS, probe


def seconds(text):
    """A duration of a profile, in nanoseconds."""
    unit = {"ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000}
    for end, ns in unit.items():
        if text.endswith(end) and text[: -len(end)].replace(".", "").isdigit():
            return round(float(text[: -len(end)]) * ns)
    raise ValueError(text)


def wanted(messages, planned, start_ns):
    """The messages from the begin of a replay on."""
    origin = planned["from"]
    if origin == "start":
        return messages
    if origin == "last-per-symbol":
        last = {}
        for stored, found in messages:
            last[found.topic, found.symbol] = stored, found
        return sorted(last.values(), key=lambda each: each[0].position)
    if origin.startswith("seq "):
        first = int(origin[4:])
        return [each for each in messages if each[0].position >= first]
    return [each for each in messages if each[0].at_ns >= start_ns + seconds(origin)]


def main(path):
    with open(path, encoding="utf-8") as file:
        record = json.load(file)
    epoch = record["run"]["epoch_unix_ns"]
    (measure,) = [phase for phase in record["phases"] if phase["name"] == "measure"]
    start = epoch + measure["start_ns"]
    (folder,) = {kept.split(" ", 1)[1] for kept in [record["broker"]["settings"]["kept stores"]]}
    messages = []
    for stored in replica(folder):
        found = probe(json.loads(stored.payload)["eventId"])
        if found.tag == record["run"]["tag"] and found.symbol != READINESS:
            messages.append((stored, found))
    said = []
    for planned, replay in zip(record["plan"]["replay"], record["replays"]):
        early = late = messages
        if planned["at"] != "drain":
            # It returned what was stored at its planned time at the latest, and when its end was fixed at the most.
            early = [each for each in messages if each[0].at_ns < start + seconds(planned["at"])]
            late = [each for each in messages if each[0].at_ns <= epoch + replay["began_ns"]]
        fewest, most = wanted(early, planned, start), wanted(late, planned, start)
        said.append(
            {
                "name": planned["name"],
                "fewest": len(fewest),
                "most": len(most),
                "stored_ns": fewest[-1][0].at_ns - fewest[0][0].at_ns if fewest else 0,
            }
        )
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1])
