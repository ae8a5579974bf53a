"""Slack evaluations per second in JAX, for the workloads beside this folder.

    taskset -c 0,1 python benches/peers/jax_slack.py benches/workloads/bench-w1.json ...

The slack is <grad f(w), w - v> - f(w) + f(v) in binary64, for pairs (w, v) uniform on the box of the
case. Two formulations are compiled with jit and vmap: `grad` (reverse mode, then the dot product)
and `jvp` (forward mode along w - v, which yields f(w) as well). For each, every batch size of the
list is timed and the best is printed, one JSON line per workload and formulation:

    {"workload": ..., "formulation": "grad" | "jvp", "batch": ..., "evals_per_second": ...}

Drawing the pairs is not timed: it is given to JAX for free.
"""

import argparse
import csv
import json
import time
from fractions import Fraction
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")

BATCHES = [8, 32, 64, 128, 256, 512, 1024, 4096, 16384]
SECONDS = 1.5  # timed per batch size, best of three thirds


def array(spec, folder):
    """One entry of the case's `data`: nested lists, or columns of a CSV."""
    if not isinstance(spec, dict):
        return np.array(spec, float)
    with open(folder / spec["csv"], newline="") as file:
        rows = list(csv.DictReader(file))
    table = np.array([[float(row[c]) for c in spec["columns"]] for row in rows])
    return table[:, 0] if len(spec["columns"]) == 1 else table


def loss(case, data):
    """f of the workload, on the flat parameters. The formulas are those of the cases' `define`."""
    data = {key: jnp.array(entries) for key, entries in data.items()}
    shapes = [tuple(shape) for shape in case["parameters"].values()]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])

    def blocks(w):
        return [part.reshape(shape) for part, shape in zip(jnp.split(w, ends[:-1]), shapes)]

    def leaky(w):
        X, y, a = (data[key] for key in "Xya")
        z = X @ blocks(w)[0]
        return jnp.mean(jax.nn.softplus(-y * (jnp.where(z > 0, z, z / 5) @ a)))

    def tanh(w):
        return jnp.mean((jnp.tanh(data["X"] @ blocks(w)[0]) @ data["a"] - data["y"]) ** 2) / 2

    def softmax(w):
        W1, b1, W2, b2 = blocks(w)
        N = jnp.tanh(data["X"] / 16 @ W1 + b1) @ W2 + b2
        return jnp.mean(jax.nn.logsumexp(N, axis=1) - jnp.sum(data["Y"] * N, axis=1))

    def neuron(w):
        return jnp.mean((jnp.tanh(data["X"] @ w) - data["y"]) ** 2) / 2

    formulas = {"bench-w1": leaky, "bench-w2": tanh, "bench-w3": softmax, "bench-w4": neuron, "bench-w5": leaky}
    if case["name"] not in formulas:
        raise SystemExit(f"no JAX formula for the workload {case['name']}")
    return formulas[case["name"]]


def with_grad(f):
    def slack(w, v):
        value, gradient = jax.value_and_grad(f)(w)
        return jnp.dot(gradient, w - v) - value + f(v)

    return slack


def with_jvp(f):
    def slack(w, v):
        value, along = jax.jvp(f, (w,), (w - v,))
        return along - value + f(v)

    return slack


def rate(slack, batch, size, low, high):
    """Evaluations per second: the best of three runs after compilation."""
    rng = np.random.default_rng(0)
    w, v = (jnp.array(rng.uniform(low, high, (batch, size))) for _ in range(2))
    run = jax.jit(jax.vmap(slack))
    run(w, v).block_until_ready()
    best = 0.0
    for _ in range(3):
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < SECONDS / 3:
            run(w, v).block_until_ready()
            count += 1
        best = max(best, count * batch / (time.perf_counter() - start))
    return best


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("workload", nargs="+", type=Path)
    for path in arguments.parse_args().workload:
        case = json.loads(path.read_text())
        f = loss(case, {k: array(spec, path.parent) for k, spec in case["data"].items()})
        size = sum(int(np.prod(shape)) for shape in case["parameters"].values())
        low, high = (float(Fraction(str(x))) for x in case["region"]["w"]["box"])
        for name, make in (("grad", with_grad), ("jvp", with_jvp)):
            # batches of at most half a gigabyte of parameters
            batches = [batch for batch in BATCHES if batch * size <= 1 << 25]
            rates = {batch: rate(make(f), batch, size, low, high) for batch in batches}
            batch = max(rates, key=rates.get)
            line = {"workload": case["name"], "formulation": name, "batch": batch}
            print(json.dumps(line | {"evals_per_second": round(rates[batch])}), flush=True)


if __name__ == "__main__":
    main()
