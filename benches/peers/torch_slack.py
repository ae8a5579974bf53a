"""Slack evaluations per second in PyTorch, as jax_slack.py has them for JAX.

    taskset -c 0,1 python benches/peers/torch_slack.py WORKLOAD [FORMULATION BATCH]

The formulations are `grad` and `jvp` of torch.func under vmap, each as it stands and under torch.compile (`compiled grad`,
`compiled jvp`), which takes some ten seconds each and is tried at the best batch of the other and at one of 1024 alone. Every second
batch size of JAX's is tried.
"""

import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

from workload import Workload, rate, report

torch.set_default_dtype(torch.float64)
torch.set_num_threads(len(os.sched_getaffinity(0)))


def loss(workload):
    """f of the workload, on the flat parameters. The formulas are those of the cases' `define`."""
    data = {key: torch.from_numpy(entries) for key, entries in workload.data.items()}
    lengths = [int(np.prod(shape)) for shape in workload.shapes]

    def blocks(w):
        return [part.reshape(shape) for part, shape in zip(torch.split(w, lengths), workload.shapes)]

    def leaky(w):
        X, y, a = (data[key] for key in "Xya")
        return torch.mean(F.softplus(-y * (F.leaky_relu(X @ blocks(w)[0], 0.2) @ a)))

    def tanh(w):
        return torch.mean((torch.tanh(data["X"] @ blocks(w)[0]) @ data["a"] - data["y"]) ** 2) / 2

    def softmax(w):
        W1, b1, W2, b2 = blocks(w)
        N = torch.tanh(data["X"] / 16 @ W1 + b1) @ W2 + b2
        return torch.mean(torch.logsumexp(N, 1) - torch.sum(data["Y"] * N, 1))

    def neuron(w):
        return torch.mean((torch.tanh(data["X"] @ w) - data["y"]) ** 2) / 2

    return {"bench-w1": leaky, "bench-w2": tanh, "bench-w3": softmax, "bench-w4": neuron, "bench-w5": leaky}[workload.name]


def with_grad(f):
    def slack(w, v):
        gradient, value = torch.func.grad_and_value(f)(w)
        return torch.dot(gradient, w - v) - value + f(v)

    return slack


def with_jvp(f):
    def slack(w, v):
        value, along = torch.func.jvp(f, (w,), (w - v,))
        return along - value + f(v)

    return slack


FORMULATIONS = {"grad": with_grad, "jvp": with_jvp}


def measure(workload, f, formulation, batch):
    slack = torch.func.vmap(FORMULATIONS[formulation.removeprefix("compiled ")](f))
    if formulation.startswith("compiled"):
        torch._dynamo.reset()
        slack = torch.compile(slack)
    w, v = (torch.from_numpy(points) for points in workload.pairs(batch))
    try:
        with torch.no_grad():
            found = rate(lambda: slack(w, v), batch)
    except Exception as error:  # torch.compile does not take every transformation
        print(f"{workload.name}, {formulation}: {type(error).__name__}: {str(error)[:200]}", file=sys.stderr)
        return 0
    report(workload, formulation, batch, found)
    return found


def main():
    workload = Workload(sys.argv[1])
    f = loss(workload)
    if sys.argv[2:]:
        measure(workload, f, sys.argv[2], int(sys.argv[3]))
        return
    for formulation in FORMULATIONS:
        rates = {batch: measure(workload, f, formulation, batch) for batch in workload.batches()[::2]}
        for batch in {max(rates, key=rates.get), min(1024, max(rates))}:
            measure(workload, f, f"compiled {formulation}", batch)


if __name__ == "__main__":
    main()
