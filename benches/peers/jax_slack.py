"""Slack evaluations per second in JAX.

    taskset -c 0,1 python benches/peers/jax_slack.py WORKLOAD [--sample] [FORMULATION BATCH]

The slack is <grad f(w), w - v> - f(w) + f(v) in binary64, for pairs (w, v) uniform on the box of the case. Two formulations are
compiled with jit and vmap: `grad` (reverse mode, then the dot product) and `jvp` (forward mode along w - v, which yields
f(w) as well). All batch sizes are tried with both, or the one that is named; one JSON line each:

    {"workload": ..., "formulation": "grad" | "jvp", "batch": ..., "rate": ...}

The pairs are given, and drawing them is not timed. With `--sample` the compiled function draws the pairs of each batch itself, from a key
that counts the batches, and reduces the slacks to what a sampler needs of them: the lowest and its place, how many are NaN, below 0 and below
minus the tolerance. Both of JAX's generators that run on a processor are tried (`threefry` is its default, `rbg` a quicker one).
"""

import argparse
import itertools

import jax
import jax.numpy as jnp
import numpy as np

from workload import Workload, rate, report

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")


def loss(workload):
    """f of the workload, on the flat parameters. The formulas are those of the cases' `define`."""
    data = {key: jnp.array(entries) for key, entries in workload.data.items()}
    ends = np.cumsum([int(np.prod(shape)) for shape in workload.shapes])

    def blocks(w):
        return [part.reshape(shape) for part, shape in zip(jnp.split(w, ends[:-1]), workload.shapes)]

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

    return {"bench-w1": leaky, "bench-w2": tanh, "bench-w3": softmax, "bench-w4": neuron, "bench-w5": leaky}[workload.name]


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


FORMULATIONS = {"grad": with_grad, "jvp": with_jvp}
GENERATORS = {"threefry": "threefry2x32", "rbg": "rbg"}
TOLERANCE = 1e-9


def given(slack, workload, batch):
    """A call that evaluates the slack at the same pairs again and again."""
    w, v = (jnp.array(points) for points in workload.pairs(batch))
    function = jax.jit(slack)
    return lambda: function(w, v).block_until_ready()


def drawn(slack, workload, batch, generator):
    """A call that draws pairs, evaluates the slack and counts."""

    @jax.jit
    def sample(key, number):
        keys = jax.random.split(jax.random.fold_in(key, number))
        low, high = workload.box
        w, v = (jax.random.uniform(one, (batch, workload.size), minval=low, maxval=high) for one in keys)
        slacks = slack(w, v)
        counts = [jnp.sum(test) for test in (jnp.isnan(slacks), slacks < 0, slacks < -TOLERANCE)]
        return slacks, jnp.min(slacks), jnp.argmin(slacks), counts

    key, number = jax.random.key(0, impl=GENERATORS[generator]), itertools.count()
    return lambda: jax.block_until_ready(sample(key, next(number)))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("workload", type=Workload)
    arguments.add_argument("formulation", nargs="?")
    arguments.add_argument("batch", nargs="?", type=int)
    arguments.add_argument("--sample", action="store_true")
    options = arguments.parse_intermixed_args()
    workload = options.workload
    f = loss(workload)
    names = [f"{name} {generator}" for name in FORMULATIONS for generator in GENERATORS] if options.sample else list(FORMULATIONS)
    every = [(name, batch) for name in names for batch in workload.batches()]
    for formulation, batch in [(options.formulation, options.batch)] if options.formulation else every:
        name, *generator = formulation.split()
        slack = jax.vmap(FORMULATIONS[name](f))
        call = (drawn if options.sample else given)(slack, workload, batch, *generator)
        report(workload, formulation, batch, rate(call, batch))


if __name__ == "__main__":
    main()
