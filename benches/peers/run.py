"""Slack evaluations per second of proxycert, JAX, PyTorch and Burn, side by side on the same cores, as a markdown table.

    python benches/peers/run.py [--cores 0,1] [--rounds 3] [--peers jax,torch,burn] [WORKLOAD...]

For each workload the peers take turns, so that a change of the machine's load meets all of them; of the rounds the best counts for
each. The first round tunes a peer (formulation and batch size), the later ones repeat its best. Below the table stand the geometric
means of the ratios over W1 to W4 and, where W5 is run, the share of this machine's own peak in matrix products that it reaches.
README.md says what is timed.
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
NAMES = {"jax": "JAX", "torch": "PyTorch", "burn": "Burn"}
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


def lines(script, *arguments):
    """What a script prints, one JSON object a line."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
    command = [sys.executable, "-W", "ignore", HERE / script, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return [json.loads(line) for line in done.stdout.splitlines()]


class Script:
    """JAX or PyTorch: tuned at the first turn."""

    def __init__(self, script, path):
        self.script, self.path, self.best = script, path, None

    def turn(self):
        named = [self.best["formulation"], self.best["batch"]] if self.best else []
        self.best = max(lines(self.script, self.path, *named) + [self.best or {"rate": 0}], key=lambda line: line["rate"])
        return self.best["rate"], f"`{self.best['formulation']}`, {self.best['batch']}"


class Burn:
    """Burn's processor devices under our sampler, with our derivatives."""

    def __init__(self, binary, path, scale):
        self.arguments = binary, path, scale * BURN_SHARE

    def turn(self):
        rates = {name: proxycert(*self.arguments, "--device", name) for name in ("ndarray", "flex")}
        name = max(rates, key=rates.get)
        return rates[name], f"`{name}`"


def compare(path, options, peers):
    """The best of the rounds: our rate, and for each peer its rate and its settings."""
    makers = {
        "jax": lambda: Script("jax_slack.py", path),
        "torch": lambda: Script("torch_slack.py", path),
        "burn": lambda: Burn(options.proxycert, path, options.scale),
    }
    turns = {name: makers[name]() for name in peers}
    ours, best = 0, {name: (0, "") for name in peers}
    for _ in range(options.rounds):
        # three, as the scripts of the peers have three for each setting
        ours = max([ours, *(proxycert(options.proxycert, path, options.scale) for _ in range(3))])
        for name, peer in turns.items():
            best[name] = max(best[name], peer.turn())
    return ours, best


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
    peers = options.peers.split(",")
    columns = ["workload", "proxycert", *(NAMES[name] for name in peers), *(f"/ {NAMES[name]}" for name in peers)]
    print(f"cores {options.cores}, load {os.getloadavg()[0]:.1f} at the start\n")
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}", flush=True)
    found = {}
    for path in options.workload or sorted((ROOT / "benches/workloads").glob("bench-w?.json")):
        name = path.stem.removeprefix("bench-").upper()
        ours, best = found[name] = compare(path.resolve(), options, peers)
        rates = [f"{best[peer][0]:,.0f} ({best[peer][1]})" for peer in peers]
        ratios = [f"{ours / best[peer][0]:.2f}" for peer in peers]
        print(f"| {' | '.join([name, f'{ours:,.0f}', *rates, *ratios])} |", flush=True)
    print()
    small = [found[name] for name in ("W1", "W2", "W3", "W4") if name in found]
    if small:
        for peer in peers:
            mean = math.prod(ours / best[peer][0] for ours, best in small) ** (1 / len(small))
            print(f"Geometric mean over {len(small)} of W1 to W4, / {NAMES[peer]}: {mean:.2f}")
    if "W5" in found:
        products = [line for _ in range(options.rounds) for line in lines("gemm.py")]
        peak = max(products, key=lambda line: line["flops"])
        reached = found["W5"][0] * W5_FLOPS
        print(
            f"W5: {reached / 1e9:.1f} Gflop/s in its products, {reached / peak['flops']:.0%} of this machine's peak of "
            f"{peak['flops'] / 1e9:.1f} ({peak['by']}, {peak['kernel']})"
        )
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
