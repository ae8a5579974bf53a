"""Writes the CSV files of the catalogue.

    python -m venv venv && venv/bin/pip install numpy==2.* scikit-learn==1.*
    venv/bin/python cases/data/make.py

`iris.csv` is copied from scikit-learn with its labels as words. Everything else is drawn from
numpy's PCG64 with the seed beside it, rounded to four decimals and then *checked*: the property
that a claim needs is asserted on the numbers that are written, never on those that were drawn.
"""

import csv
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


def write(name, header, rows):
    with open(HERE / name, "w", newline="") as out:
        table = csv.writer(out, lineterminator="\n")
        table.writerow(header)
        table.writerows(rows)
    print(f"{name}: {len(rows)} rows")


def decimals(x):
    return [f"{value:.4f}" for value in x]


def iris():
    from sklearn.datasets import load_iris

    data = load_iris()
    rows = [[*(f"{x:g}" for x in row), data.target_names[k]] for row, k in zip(data.data, data.target)]
    write("iris.csv", ["sepal_length", "sepal_width", "petal_length", "petal_width", "species"], rows)


def wine():
    from sklearn.datasets import load_wine

    data = load_wine()
    names = ["alcohol", "malic_acid", "ash", "alcalinity", "magnesium", "phenols", "flavanoids"]
    names += ["nonflavanoids", "proanthocyanins", "color", "hue", "dilution", "proline", "cultivar"]
    words = ["first", "second", "third"]
    write("wine.csv", names, [[*(f"{x:g}" for x in row), words[k]] for row, k in zip(data.data, data.target)])


def start(name, seed, n, d):
    """Weights of a relu layer, normal with variance 2/n, four decimals."""
    w = (np.random.default_rng(seed).normal(size=(n, d)) * np.sqrt(2 / n)).round(4)
    write(name, [f"x{j + 1}" for j in range(d)], [decimals(row) for row in w])


def neuron(name, seed, n, d):
    """Gaussian inputs, responses of a relu teacher plus Gaussian noise of size 0.3."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)).round(4)
    teacher = rng.normal(size=d).round(1) / (1.0 if d < 10 else 4.0)
    y = (np.maximum(x @ teacher, 0) + 0.3 * rng.normal(size=n)).round(4)
    write(name, [f"x{j + 1}" for j in range(d)] + ["y"], [decimals([*a, b]) for a, b in zip(x, y)])
    print("  teacher", list(teacher.round(4)), "max ||x||", np.linalg.norm(x, axis=1).max())


def separable(name, seed, n, u, margin, shift):
    """y = +-1, x = y p u + q t + noise orthogonal to u and t, with p in [margin + 0.01, 1] and q in
    [0.5, 1.5]: separated along u, but all in one half-space of t, so that a hidden unit can have the
    whole sample on its flat side."""
    rng = np.random.default_rng(seed)
    d = len(u)
    t = np.array(shift, float)
    u = np.array(u, float)
    assert abs(u @ t) < 1e-12
    y = np.where(np.arange(n) % 2 == 0, 1, -1)
    p = rng.uniform(margin + 0.01, 1.0, size=n)
    p[:2] = margin + 0.01
    q = rng.uniform(0.5, 1.5, size=n)
    rest = rng.normal(size=(n, d)) * 0.5
    rest -= np.outer(rest @ u, u) / (u @ u) + np.outer(rest @ t, t) / (t @ t)
    x = (np.outer(y * p, u) + np.outer(q, t) + rest).round(4)
    found = (y * (x @ u)).min()
    assert found > margin + 0.005, found
    write(name, [f"x{j + 1}" for j in range(d)] + ["y"], [decimals(a) + [int(b)] for a, b in zip(x, y)])
    print("  margin", found)


def gaussian(name, seed, n, d):
    """Standard normal entries, three decimals."""
    x = np.random.default_rng(seed).normal(size=(n, d)).round(3)
    write(name, [f"x{j + 1}" for j in range(d)], [[f"{value:.3f}" for value in row] for row in x])
    print("  least and largest singular value", np.linalg.svd(x)[1][[-1, 0]])


if __name__ == "__main__":
    iris()
    wine()
    start("wine-start-1.csv", 9, 13, 28)
    start("wine-start-2.csv", 10, 28, 28)
    start("wine-start-3.csv", 11, 28, 3)
    neuron("neuron-small.csv", 1, 12, 3)
    neuron("neuron-large.csv", 2, 100, 20)
    separable("separable-small.csv", 3, 10, [0.6, 0.8], 0.4, [-0.8, 0.6])
    half = 0.5
    separable("separable-large.csv", 4, 64, [half] * 4 + [0.0] * 4, 0.4, [0.0] * 4 + [half] * 4)
    separable("separable-16.csv", 5, 40, [0.25] * 16, 0.4, [0.25] * 8 + [-0.25] * 8)
    separable("separable-20.csv", 6, 200, [half] * 4 + [0.0] * 16, 0.4, [0.0] * 4 + [half] * 4 + [0.0] * 12)
    gaussian("least-squares-large.csv", 7, 20, 50)
    gaussian("phase-large.csv", 8, 100, 10)
