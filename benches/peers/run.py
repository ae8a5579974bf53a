"""Runs proxycert and JAX on the same workloads, one after the other on the same cores.

    python benches/peers/run.py [--scale S] [--cores 0,1] [--proxycert target/debug/proxycert] [WORKLOAD...]

Prints one JSON line per workload: the sampler's slack evaluations per second from the certificate
(`run.sampling.evaluations_per_second`), JAX's better formulation, and their ratio. Both are the best
of three, since other work on the machine only ever slows them down; the last line is the geometric
mean of the ratios.
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def proxycert(binary, path, scale):
    """Certifies a copy of the workload with `scale` times its samples and without the prover; evaluations per second."""
    case = json.loads(path.read_text())
    case["check"]["samples"] = round(scale * case["check"]["samples"])
    case["check"]["max_boxes"] = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        copy.write_text(json.dumps(case))
        shutil.copytree(path.parent / "data", Path(folder) / "data")
        certificate = Path(folder) / "certificate.json"
        done = subprocess.run([binary, "certify", copy, "--quiet", "-o", certificate])
        if done.returncode not in (0, 1, 3):
            raise SystemExit(f"{binary} certify {path}: exit code {done.returncode}")
        return json.loads(certificate.read_text())["run"]["sampling"]["evaluations_per_second"]


def jax(path):
    """The line of the better formulation."""
    out = subprocess.run([sys.executable, HERE / "jax_slack.py", path], check=True, capture_output=True, text=True)
    return max((json.loads(line) for line in out.stdout.splitlines()), key=lambda x: x["evals_per_second"])


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("workload", nargs="*", type=Path, default=sorted((ROOT / "benches/workloads").glob("*.json")))
    arguments.add_argument("--scale", type=float, default=1, help="samples of a workload, as a multiple of what its file says")
    arguments.add_argument("--cores", default="0,1", help="cores for both, comma separated")
    arguments.add_argument("--proxycert", type=Path, default=ROOT / "target/debug/proxycert")
    options = arguments.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(core) for core in options.cores.split(",")})
    if not (ROOT / "benches/workloads/data/wide.csv").exists():
        subprocess.run([sys.executable, ROOT / "benches/workloads/make.py"], check=True)
    ratios = []
    for path in options.workload:
        ours = max(proxycert(options.proxycert, path.resolve(), options.scale) for _ in range(3))
        peer = jax(path)
        ratios.append(ours / peer["evals_per_second"])
        print(json.dumps({
            "workload": peer["workload"], "cores": options.cores, "proxycert": round(ours), "jax": peer["evals_per_second"],
            "jax_formulation": peer["formulation"], "jax_batch": peer["batch"], "ratio": round(ratios[-1], 3),
        }), flush=True)
    print(json.dumps({"geometric_mean": round(math.prod(ratios) ** (1 / len(ratios)), 3)}))


if __name__ == "__main__":
    main()
