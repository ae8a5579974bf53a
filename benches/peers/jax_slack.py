"""Slack evaluations per second in JAX.

    taskset -c 0,1 python benches/peers/jax_slack.py WORKLOAD [FORMULATION BATCH]

The slack is <grad f(w), w - v> - f(w) + f(v) in binary64, for pairs (w, v) uniform on the box of the case. Two formulations are
compiled with jit and vmap: `grad` (reverse mode, then the dot product) and `jvp` (forward mode along w - v, which yields
f(w) as well). All batch sizes are tried with both, or the one that is named; one JSON line each:

    {"workload": ..., "formulation": "grad" | "jvp", "batch": ..., "rate": ...}

Drawing the pairs is not timed: it is given to JAX for free.
"""

import sys

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


def main():
    workload = Workload(sys.argv[1])
    f = loss(workload)
    named = [(sys.argv[2], int(sys.argv[3]))] if sys.argv[2:] else None
    for formulation, batch in named or [(name, batch) for name in FORMULATIONS for batch in workload.batches()]:
        slack = jax.jit(jax.vmap(FORMULATIONS[formulation](f)))
        w, v = (jnp.array(points) for points in workload.pairs(batch))
        report(workload, formulation, batch, rate(lambda: slack(w, v).block_until_ready(), batch))


if __name__ == "__main__":
    main()
