"""Slack evaluations per second of proxycert, JAX, PyTorch and Burn, side by side on the same cores, as markdown tables.

    python benches/peers/run.py [--cores 0,1] [--rounds 3] [--peers jax,torch,burn] [WORKLOAD...]

Two pieces of work are timed: the slack at points that are given, and sampling, which draws them and keeps statistics. For each workload
all take turns, so that a change of the machine's load meets all of them; of the rounds the best counts for each. The first round
tunes a peer (formulation and batch size), the later ones repeat its best. Below the tables stand the geometric means of the ratios over
W1 to W4 and, where W5 is run, the share of this machine's own peak in matrix products that it reaches. README.md says what is timed.
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
NAMES = {
    "evaluator": "evaluator",
    "certify": "`certify`",
    "jax": "JAX",
    "jax apart": "JAX on each core",
    "jax sampling": "JAX sampling",
    "jax sampling apart": "JAX sampling on each core",
    "torch": "PyTorch",
    "torch apart": "PyTorch on each core",
    "burn": "Burn",
}
BURN_SHARE = 0.05  # of the workload's samples: Burn is slower
# two products of 512 x 64 by 64 x 256 (X W and X V) for each evaluation of W5
W5_FLOPS = 2 * 2 * 512 * 64 * 256


def proxycert(binary, path, scale, *options):
    """Certifies a copy of the workload with `scale` times its samples and without the prover; evaluations per second."""
    case = json.loads(path.read_text())
    case["check"]["samples"] = max(100, round(scale * case["check"]["samples"]))
    case["check"]["max_boxes"] = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        copy.write_text(json.dumps(case))
        shutil.copytree(path.parent / "data", Path(folder) / "data")
        certificate = Path(folder) / "certificate.json"
        done = subprocess.run([binary, "certify", copy, "--quiet", "-o", certificate, *options])
        if done.returncode not in (0, 1, 3):
            raise SystemExit(f"{binary} certify {path}: exit code {done.returncode}")
        return json.loads(certificate.read_text())["run"]["sampling"]["evaluations_per_second"]


def start(script, *arguments, cores=None):
    """A script that prints one JSON object a line, on all our cores or on these."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
    command = [sys.executable, "-W", "ignore", HERE / script, *map(str, arguments)]
    pin = (lambda: os.sched_setaffinity(0, cores)) if cores else None
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, preexec_fn=pin)


def lines(script, *arguments, cores=None):
    """What a script prints; on the cores that are named, a process for each at the same time, whose rates are added."""
    found = []
    for process in [start(script, *arguments, cores={core}) for core in cores] if cores else [start(script, *arguments)]:
        output = process.communicate()[0]
        if process.returncode:
            raise SystemExit(f"{script}: exit code {process.returncode}")
        found.append([json.loads(line) for line in output.splitlines()])
    if not cores:
        return found[0]
    rates = [{(line["formulation"], line["batch"]): line["rate"] for line in own} for own in found]
    both = [key for key in rates[0] if all(key in other for other in rates)]
    return [{"formulation": key[0], "batch": key[1], "rate": sum(own[key] for own in rates)} for key in both]


class Script:
    """What prints rates by formulation and batch size: tuned at the first turn. One process on all cores, or one on each of these."""

    def __init__(self, script, *arguments, cores=None):
        self.script, self.arguments, self.cores, self.best = script, arguments, cores, None

    def turn(self):
        named = [self.best["formulation"], self.best["batch"]] if self.best else []
        found = lines(self.script, *self.arguments, *named, cores=self.cores)
        self.best = max(found + [self.best or {"rate": 0}], key=lambda line: line["rate"])
        return self.best["rate"], f"`{self.best['formulation']}`, {self.best['batch']}"


class Evaluator:
    """Our evaluator alone."""

    def __init__(self, path):
        self.command = ["cargo", "bench", "--quiet", "--locked", "--profile", "dev", "--bench", "evaluator", "--", path]

    def turn(self):
        done = subprocess.run(self.command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        best = max(map(json.loads, done.stdout.splitlines()), key=lambda line: line["rate"])
        return best["rate"], str(best["batch"])


class Certify:
    """Our sampler, three times as the scripts of the peers; or Burn's processor devices under it, with our derivatives."""

    def __init__(self, binary, path, scale, devices=(None,)):
        self.arguments, self.devices = (binary, path, scale), devices

    def turn(self):
        rates = {name: self.rate(*(["--device", name] if name else [])) for name in self.devices}
        name = max(rates, key=rates.get)
        return rates[name], f"`{name}`" if name else ""

    def rate(self, *options):
        return max(proxycert(*self.arguments, *options) for _ in range(1 if options else 3))


def compare(path, options, peers):
    """The best of the rounds for each: its rate and its settings."""
    sampler = options.proxycert, path, options.scale
    turns = {"evaluator": Evaluator(path), "certify": Certify(*sampler)}
    cores = [int(core) for core in options.cores.split(",")]
    apart = [(" apart", cores)] if hasattr(os, "sched_setaffinity") and len(cores) > 1 else []
    for suffix, ways in [("", None), *apart]:
        if "jax" in peers:
            turns["jax" + suffix] = Script("jax_slack.py", path, cores=ways)
            turns["jax sampling" + suffix] = Script("jax_slack.py", path, "--sample", cores=ways)
        if "torch" in peers:
            turns["torch" + suffix] = Script("torch_slack.py", path, cores=ways)
    if "burn" in peers:
        turns["burn"] = Certify(*sampler[:2], options.scale * BURN_SHARE, ("ndarray", "flex"))
    best = {name: (0, "") for name in turns}
    for _ in range(options.rounds):
        for name, turn in turns.items():
            best[name] = max(best[name], turn.turn())
            print(f"{path.stem} {name}: {best[name][0]:,.0f} {best[name][1]}", file=sys.stderr, flush=True)
    return best


def table(title, found, ours, peers):
    """The rates of one piece of work, those of the peers beside it, and the ratios."""
    peers = [name for name in peers if all(name in best for best in found.values())]
    print(f"{title}:\n")
    columns = ["workload", *(NAMES[name] for name in (ours, *peers)), *(f"/ {NAMES[name]}" for name in peers)]
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    for workload, best in found.items():
        rates = [f"{rate:,.0f}" + (f" ({setting})" if setting else "") for rate, setting in map(best.get, (ours, *peers))]
        ratios = [f"{best[ours][0] / best[name][0]:.2f}" for name in peers]
        print(f"| {' | '.join([workload, *rates, *ratios])} |")
    small = [found[name] for name in ("W1", "W2", "W3", "W4") if name in found]
    print()
    for name in peers if small else []:
        mean = math.prod(best[ours][0] / best[name][0] for best in small) ** (1 / len(small))
        print(f"Geometric mean over {len(small)} of W1 to W4, / {NAMES[name]}: {mean:.2f}")
    print()


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("workload", nargs="*", type=Path, help="files; all of benches/workloads by default")
    arguments.add_argument("--scale", type=float, default=1, help="samples of a workload, as a multiple of what its file says")
    arguments.add_argument("--cores", default="0,1", help="cores for all, comma separated")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--peers", default="jax,torch,burn")
    arguments.add_argument("--proxycert", type=Path, default=ROOT / "target/debug/proxycert")
    options = arguments.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(core) for core in options.cores.split(",")})
    if not (ROOT / "benches/workloads/data/wide.csv").exists():
        subprocess.run([sys.executable, ROOT / "benches/workloads/make.py"], check=True)
    paths = options.workload or sorted((ROOT / "benches/workloads").glob("bench-w?.json"))
    start = os.getloadavg()[0]
    peers = options.peers.split(",")
    if unknown := set(peers) - {"jax", "torch", "burn"}:
        arguments.error(f"--peers: {', '.join(sorted(unknown))}")
    found = {path.stem.removeprefix("bench-").upper(): compare(path.resolve(), options, peers) for path in paths}
    print(f"cores {options.cores}, load {start:.1f} at the start, {os.getloadavg()[0]:.1f} at the end\n")
    table("Points given", found, "evaluator", ["jax", "jax apart", "torch", "torch apart"])
    sampling = ["jax sampling", "jax sampling apart", "burn", "jax", "jax apart"]
    table("Sampling; JAX's function at given points beside it", found, "certify", sampling)
    if "W5" in found:
        products = [line for _ in range(options.rounds) for line in lines("gemm.py")]
        peak = max(products, key=lambda line: line["flops"])
        for name in ("evaluator", "certify"):
            reached = found["W5"][name][0] * W5_FLOPS
            print(
                f"W5, {NAMES[name]}: {reached / 1e9:.1f} Gflop/s in its products, {reached / peak['flops']:.0%} of this machine's "
                f"peak of {peak['flops'] / 1e9:.1f} ({peak['by']}, {peak['kernel']})"
            )


if __name__ == "__main__":
    main()
