"""What the peers share: the workloads' data and sizes, and how a rate is taken."""

import csv
import json
import time
from fractions import Fraction
from pathlib import Path

import numpy as np

BATCHES = [8, 32, 64, 128, 256, 512, 1024, 4096, 16384]
ENTRIES = 1 << 22  # parameters in a batch at most
SECONDS = 0.3  # a run; the best of three counts


class Workload:
    """A case beside this folder: its arrays, its parameters, and the box of w and v."""

    def __init__(self, path):
        case = json.loads(Path(path).read_text())
        self.name = case["name"]
        self.data = {key: array(spec, Path(path).parent) for key, spec in case["data"].items()}
        self.shapes = [tuple(shape) for shape in case["parameters"].values()]
        self.size = sum(int(np.prod(shape)) for shape in self.shapes)
        self.box = tuple(float(Fraction(str(x))) for x in case["region"]["w"]["box"])

    def batches(self):
        return [batch for batch in BATCHES if batch * self.size <= ENTRIES] or [1]

    def pairs(self, batch):
        """As many w and v, uniform on the box."""
        rng = np.random.default_rng(0)
        return [rng.uniform(*self.box, (batch, self.size)) for _ in range(2)]


def array(spec, folder):
    """One entry of a case's `data`: nested lists, or columns of a CSV."""
    if not isinstance(spec, dict):
        return np.array(spec, float)
    with open(folder / spec["csv"], newline="") as file:
        rows = list(csv.DictReader(file))
    table = np.array([[float(row[c]) for c in spec["columns"]] for row in rows])
    return table[:, 0] if len(spec["columns"]) == 1 else table


def rate(run, batch):
    """Evaluations per second of a call that does `batch` of them, after a first call that is not counted."""
    run()
    best = 0.0
    for _ in range(3):
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < SECONDS:
            run()
            count += 1
        best = max(best, count * batch / (time.perf_counter() - start))
    return best


def report(workload, formulation, batch, rate):
    line = {"workload": workload.name, "formulation": formulation, "batch": batch, "rate": rate}
    print(json.dumps(line), flush=True)
