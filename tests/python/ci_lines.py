"""Holds a workflow or a job to the schema that its system publishes, and prints what of it a shell would run, as JSON.

usage: ci_lines.py github-workflows|gitlab-ci FILE
"""

import json
import pathlib
import re
import subprocess
import sys

from ruamel.yaml import YAML

kind, path = sys.argv[1], pathlib.Path(sys.argv[2])
checker = pathlib.Path(sys.executable).parent / "check-jsonschema"
done = subprocess.run([checker, "--builtin-schema", f"vendor.{kind}", path], capture_output=True, text=True)
if done.returncode != 0:
    sys.exit(f"{path}: {done.stdout}{done.stderr}")

document = YAML(typ="safe").load(path.read_text("utf-8"))
if kind == "github-workflows":
    (job,) = document["jobs"].values()
    for step in job["steps"]:
        name, _, commit = step.get("uses", "").partition("@")
        if name and not re.fullmatch("[0-9a-f]{40}", commit):
            sys.exit(f"{path}: {name} is not pinned by a commit")
    variables = document["env"]
    steps = [{"env": step.get("env", {}), "lines": step["run"]} for step in job["steps"] if "run" in step]
    files = [step["with"]["path"] for step in job["steps"] if "with" in step]
else:
    (job,) = document.values()
    variables = job["variables"]
    # What comes before and the script itself are one shell; what comes after is another, whatever came of them.
    steps = [{"env": {}, "lines": "\n".join(lines)} for lines in (job.get("before_script", []) + job["script"], job.get("after_script", [])) if lines]
    kept = job.get("artifacts", {"paths": [], "reports": {}})
    files = [*kept["paths"], *kept["reports"].values()]
for step in steps:
    for line in step["lines"].splitlines():
        if "pip install" in line and "--require-hashes" not in line:
            sys.exit(f"{path}: pip takes whatever it is given: {line}")
print(json.dumps({"variables": variables, "steps": steps, "files": files}))
