"""Holds a workflow or a job to the schema that its system publishes, and prints what of it a shell would run, as JSON.

usage: ci_lines.py github-workflows|gitlab-ci FILE [JOB]
"""

import json
import pathlib
import re
import subprocess
import sys

from ruamel.yaml import YAML

kind, path, *job_name = sys.argv[1:]
path = pathlib.Path(path)
checker = pathlib.Path(sys.executable).parent / "check-jsonschema"
done = subprocess.run([checker, "--builtin-schema", f"vendor.{kind}", path], capture_output=True, text=True)
if done.returncode != 0:
    sys.exit(f"{path}: {done.stdout}{done.stderr}")


def merged(below, above):
    """As GitLab's `extends`: maps are merged, everything else is replaced."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return {**below, **{key: merged(below.get(key), value) for key, value in above.items()}}


document = YAML(typ="safe").load(path.read_text("utf-8"))
jobs = document["jobs"] if kind == "github-workflows" else document
(name,) = job_name or jobs
job = jobs[name]
if "extends" in job:
    job = merged(jobs[job["extends"]], job)
if kind == "github-workflows":
    for step in job["steps"]:
        action, _, commit = step.get("uses", "").partition("@")
        if action and not re.fullmatch("[0-9a-f]{40}", commit):
            sys.exit(f"{path}: {action} is not pinned by a commit")
    variables = {**document.get("env", {}), **job.get("env", {})}
    steps = [{"env": step.get("env", {}), "lines": step["run"]} for step in job["steps"] if "run" in step]
    kept = [step for step in job["steps"] if "/upload-artifact@" in step.get("uses", "")]
    for step in kept:
        if "github-release" not in path.name and step.get("if") != "always()":
            sys.exit(f"{path}: a failed run leaves no report")
    files = [line for step in kept for line in step["with"]["path"].splitlines()]
    cached = {step["with"]["path"] for step in job["steps"] if "/cache/" in step.get("uses", "")}
else:
    variables = job["variables"]
    # What comes before and the script itself are one shell; what comes after is another, whatever came of them.
    steps = [{"env": {}, "lines": "\n".join(lines)} for lines in (job.get("before_script", []) + job["script"], job.get("after_script", [])) if lines]
    kept = job.get("artifacts", {"paths": []})
    files = [*kept["paths"], *kept.get("reports", {}).values()]
    if "reports" in kept and kept.get("when") != "always":
        sys.exit(f"{path}: a failed run leaves no report")
    caches = job.get("cache", [])
    caches = caches if isinstance(caches, list) else [caches]
    cached = {path for cache in caches for path in cache["paths"]}
for step in steps:
    for line in step["lines"].splitlines():
        if "pip install" in line and "--require-hashes" not in line:
            sys.exit(f"{path}: pip takes whatever it is given: {line}")
print(json.dumps({"variables": variables, "steps": steps, "files": files, "cached": sorted(cached)}))
