"""Reads the files of reports with the packages that other people use, and compares with what Rust knows."""

import csv
import json
import math
import pathlib
import sys

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from junitparser import Error, Failure, JUnitXml
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from xmlschema import XMLSchema

import carriers

HOUR_NS = 3_600_000_000_000
# The schema by which Jenkins reads JUnit files, in each version that its carrier has.
JUNIT = [XMLSchema(text) for text in carriers.texts("junit-10.xsd")]


def hlog(folder, expected):
    reader = HistogramLogReader(str(folder / "latency.hlog"), HdrHistogram(1, HOUR_NS, 3))
    found = {}
    while (interval := reader.get_next_interval_histogram()) is not None:
        found.setdefault(interval.get_tag(), []).append(interval)
    times = expected["times"]
    assert set(found) == set(times), (folder, sorted(found), sorted(times))
    for tag, time in times.items():
        whole = HdrHistogram(1, HOUR_NS, 3)
        for interval in found[tag]:
            whole.add(interval)
        assert whole.get_total_count() == time["count"], (folder, tag, whole.get_total_count())
        figures = [whole.get_value_at_percentile(p) for p in (50, 90, 99, 99.9)]
        figures.append(whole.get_max_value())
        assert figures == time["figures"], (folder, tag, figures, time["figures"])


def junit(folder, expected):
    for schema in JUNIT:
        schema.validate(folder / "junit.xml")
    (suite,) = JUnitXml.fromfile(str(folder / "junit.xml"))
    cases = {case.name: case for case in suite}
    kinds = {"pass": None, "fail": Failure, "inconclusive": Error}
    plain = [o for o in expected["objectives"] if "<" not in o["name"]]
    for objective in plain:
        case = cases[f"{objective['name']} {objective['limit']}"]
        kind = kinds[objective["verdict"]]
        assert [type(result) for result in case.result] == ([kind] if kind else []), (folder, case.name)
        if kind is Failure:
            assert objective["observed"] in case.result[0].message and objective["limit"] in case.result[0].message
    suite.update_statistics()
    failed = sum(o["verdict"] == "fail" for o in expected["objectives"])
    assert suite.failures == failed, (folder, suite.failures, failed)


def timeline(folder, expected):
    with open(folder / "timeline.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file, strict=True))
    head, rows = rows[0], rows[1:]
    assert len(rows) == len(expected["timeline"])
    assert len(set(head)) == len(head), "no column has the name of another"
    for row, known in zip(rows, expected["timeline"]):
        assert len(row) == len(head), folder
        named = dict(zip(head, row))
        assert int(named["sent"]) == known["sent"] and int(named["ack.p99_ns"]) == known["ack"]["p99_ns"]


def openmetrics(folder, expected):
    families = {f.name: f for f in text_string_to_metric_families((folder / "metrics.om").read_text("utf-8"))}
    published = {s.labels["outcome"]: s.value for s in families["tickgate_published"].samples}
    assert published["sent"] == expected["sent"], folder
    delivered = [s for s in families["tickgate_delivered"].samples if s.labels["outcome"] == "delivered"]
    assert [s.value for s in delivered] == [count for _, count in expected["groups"]], folder
    verdicts = [s for s in families["tickgate_objective_verdict"].samples if s.value == 1]
    assert len(verdicts) == len(expected["objectives"]), folder
    units = ["seconds", "events_per_second", "events", "bytes", "ratio", "cores"]
    observed = [families[f"tickgate_objective_{unit}"] for unit in units if f"tickgate_objective_{unit}" in families]
    assert all(family.unit and family.name.endswith(family.unit) for family in observed), folder
    judged = [s for family in observed for s in family.samples]
    assert len(judged) == len(expected["objectives"]), (folder, len(judged))
    known = sum("observed_value" in o for o in expected["objectives"])
    assert sum(not math.isnan(s.value) for s in judged) == known, (folder, known)


folders = sorted(path.parent for path in pathlib.Path(sys.argv[1]).glob("*/expected.json"))
for folder in folders:
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    for read in (hlog, junit, timeline, openmetrics):
        read(folder, expected)
print(f"read {len(folders)} reports")
