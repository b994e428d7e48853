"""The table of scripts/busy.sh: verdicts of runs by background load, and the reasons of those that did not pass.

    busy_table.py FOLDER LOAD…      reads LOAD-NNN.json (a record) and LOAD-NNN.code (the exit code) in FOLDER
    busy_table.py --selftest        shows that it counts as it should
"""

import collections
import json
import pathlib
import re
import sys

FIGURE = re.compile(r"(?<![\w.])\d[\d,]*(\.\d+)?")
VERDICTS = ("pass", "inconclusive", "fail")


def reasons(record):
    """Why a run did not pass: each objective that was not met or not judged, in words without the figures of this run."""
    for objective in record["objectives"]:
        if objective["verdict"] != "pass":
            why = FIGURE.sub("…", (objective.get("reason") or "no reason").split(";")[0])
            yield f"{objective['verdict']} {objective['name']}: {why}"


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def table(runs):
    """Lines of Markdown; `runs` are (load, exit code, record or nothing)."""
    yield "| load | runs | pass | inconclusive | fail | broken | why not, in how many runs |"
    yield "|---|---|---|---|---|---|---|"
    loads = dict.fromkeys(load for load, *_ in runs)
    for load in loads:
        mine = [(code, record) for other, code, record in runs if other == load]
        verdicts = collections.Counter(record["verdict"] if record and code < 4 else "broken" for code, record in mine)
        why = collections.Counter(reason for code, record in mine if record for reason in set(reasons(record)))
        why.update(f"exit code {code}" for code, record in mine if not record or code >= 4)
        said = "<br>".join(f"{count}: {cell(reason)}" for reason, count in sorted(why.items(), key=lambda of: (-of[1], of[0])))
        name = "a fifth of a core for tickgate" if load == "starved" else f"{load} %"
        counts = [verdicts[verdict] for verdict in (*VERDICTS, "broken")]
        yield f"| {name} | {len(mine)} | {' | '.join(map(str, counts))} | {said or '–'} |"


def read(folder, load):
    for path in sorted(folder.glob(f"{load}-*.code")):
        text = path.with_suffix(".json").read_text(encoding="utf-8")
        yield load, int(path.read_text()), json.loads(text) if text.strip() else None


def selftest():
    def record(verdict, *objectives):
        keys = ("name", "verdict", "reason")
        return {"verdict": verdict, "objectives": [dict(zip(keys, of)) for of in objectives]}

    late = [("latency.p99", "inconclusive", f"send lag p99 {ms}ms is over 10 % of the limit 100ms") for ms in ("3.2", "17")]
    runs = [
        ("0", 0, record("pass", ("latency.p99", "pass", None))),
        ("50", 3, record("inconclusive", late[0])),
        ("50", 3, record("inconclusive", late[1])),
        ("50", 1, record("fail", late[1], ("delivery.lost", "fail", "1,234 | lost"))),
        ("50", 4, None),
    ]
    found = list(table(runs))[2:]
    expected = [
        "| 0 % | 1 | 1 | 0 | 0 | 0 | – |",
        "| 50 % | 4 | 0 | 2 | 1 | 1 | 3: inconclusive latency.p99: send lag p99 …ms is over … % of the limit …ms"
        "<br>1: exit code 4<br>1: fail delivery.lost: … \\| lost |",
    ]
    assert found == expected, "\n".join(found)
    print("the table counts as it should")


if __name__ == "__main__":
    if sys.argv[1:] == ["--selftest"]:
        selftest()
    else:
        at = pathlib.Path(sys.argv[1])
        print("\n".join(table([run for load in sys.argv[2:] for run in read(at, load)])))
