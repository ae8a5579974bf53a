"""Writes the data and the cases of the workloads W3 to W5 into this folder.

    python benches/workloads/make.py [--digits]

`--digits` writes `data/digits.csv` anew, from the copy of the UCI digits in scikit-learn; it is committed, and the rest needs
numpy alone. `data/wide.csv` (W5) is drawn from numpy's generator with seed 5, rounded to three decimals, and is not committed.
"""

import argparse
import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


def table(name, columns, rows):
    lines = [",".join(columns)] + [",".join(f"{x:g}" for x in row) for row in rows]
    (HERE / "data" / name).write_text("\n".join(lines) + "\n")


def digits():
    """The first 256 of the 1797 images, 8 by 8 grey values from 0 to 16, and the digit as ten columns."""
    from sklearn.datasets import load_digits

    images = load_digits()
    table(
        "digits.csv",
        [f"p{i}" for i in range(64)] + [f"is{i}" for i in range(10)],
        np.hstack([images.data[:256], np.eye(10)[images.target[:256]]]),
    )


def case(number, title, data, parameters, define, samples):
    name = f"bench-w{number}"
    text = {
        "name": name,
        "title": title,
        "source": {"work": "ours", "where": "benchmark", "note": "The claim is false; what is timed is one slack evaluation."},
        "data": data,
        "parameters": parameters,
        "define": define,
        "claim": {"proxy_convexity": {"f": "f", "g": "f", "h": "f"}},
        "region": {"w": {"box": [-1, 1]}, "v": {"box": [-1, 1]}},
        "check": {"samples": samples, "seed": 7, "confidence": 0.99, "starts": 1},
    }
    (HERE / f"{name}.json").write_text(json.dumps(text, indent=1) + "\n")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--digits", action="store_true")
    if arguments.parse_args().digits:
        digits()
    rng = np.random.default_rng(5)
    x = np.round(rng.normal(size=(512, 64)), 3)
    y = np.where(x @ rng.normal(size=64) >= 0, 1, -1)
    table("wide.csv", [f"x{i}" for i in range(64)] + ["y"], np.column_stack([x, y]))

    def columns(file, names):
        return {"csv": f"data/{file}", "columns": names}

    case(
        3,
        "W3: convexity for pairs, digits, network 64-32-10 with a softmax, 2,410 parameters, 256 points",
        {
            "X": columns("digits.csv", [f"p{i}" for i in range(64)]),
            "Y": columns("digits.csv", [f"is{i}" for i in range(10)]),
        },
        {"W1": [64, 32], "b1": [32], "W2": [32, 10], "b2": [10]},
        {"N": "tanh(X/16 @ W1 + b1) @ W2 + b2", "f": "mean(logsumexp(N, 1) - sum(Y*N, 1))"},
        50000,
    )
    case(
        4,
        "W4: convexity for pairs, one tanh neuron, squared loss, 2 parameters, 12 points",
        {"X": columns("neuron-small.csv", ["x1", "x2"]), "y": columns("neuron-small.csv", ["y"])},
        {"u": [2]},
        {"f": "mean((tanh(X @ u) - y)^2)/2"},
        5000000,
    )
    case(
        5,
        "W5: convexity for pairs, leaky-relu hidden layer, logistic loss, 16,384 parameters, 512 points",
        {
            "X": columns("wide.csv", [f"x{i}" for i in range(64)]),
            "y": columns("wide.csv", ["y"]),
            "a": [0.0625 * (-1) ** i for i in range(256)],
        },
        {"W": [64, 256]},
        {"f": "mean(softplus(-y * (leaky_relu(X @ W, 1/5) @ a)))"},
        3000,
    )


if __name__ == "__main__":
    main()
