"""Change points of Apache Otava for the series in tests/data/otava.json, printed as that file.

    python3 -m venv otava && otava/bin/pip install apache-otava==0.8.0
    otava/bin/python tests/python/otava_golden.py > tests/data/otava.json
"""

import json
import random

from otava.analysis import compute_change_points

random.seed(7)


def series(parts, deviation):
    return [round(level * (1 + random.gauss(0, deviation)), 4) for level, count in parts for _ in range(count)]


CASES = {
    "level": series([(100, 40)], 0.03),
    "up": series([(100, 20), (112, 20)], 0.02),
    "up and back": series([(200, 18), (240, 15), (200, 18)], 0.02),
    "two steps": series([(50, 20), (56, 20), (65, 20)], 0.02),
    "late": series([(10, 30), (13, 8)], 0.03),
    "small": series([(100, 25), (103, 25)], 0.01),
    "noisy step": series([(100, 30), (125, 30)], 0.08),
    "three windows": series([(80, 60), (92, 50), (70, 40)], 0.03),
}
found = {}
for name, values in CASES.items():
    points, _ = compute_change_points(values, window_len=50, max_pvalue=0.001, min_magnitude=0.05)
    changes = [{"at": int(point.index), "ratio": round(float(point.stats.mean_2 / point.stats.mean_1), 6)} for point in points]
    found[name] = {"values": values, "changes": changes}
print(json.dumps(found))
