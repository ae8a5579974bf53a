"""The tightest constants of the catalogue's near misses and the constants that were rounded from them.

    venv/bin/pip install mpmath
    venv/bin/python tests/oracle/constants.py

Computed with mpmath at 40 digits from the data as the cases mean them (binary64 entries, exact decimals
elsewhere). Prints each one, and fails when a case stands on the wrong side of its constant.
"""

import csv
import json
import struct
from pathlib import Path

from mpmath import cos, diff, eigsy, findroot, matrix, mp, mpf, sin, sqrt, svd_r, tanh

mp.dps = 40
CASES = Path(__file__).resolve().parents[2] / "cases"


def table(name, columns):
    with open(CASES / "data" / name) as file:
        return matrix([[mpf(float(row[c])) for c in columns] for row in csv.DictReader(file)])


def inputs(name, d):
    return table(name, [f"x{j + 1}" for j in range(d)])


def extremes(M):
    values = eigsy(M, eigvals_only=True)
    return min(values), max(values)


def claimed(name, key="mu"):
    """The constant of a case's claim."""
    (fields,) = json.loads((CASES / f"{name}.json").read_text())["claim"].values()
    return fields[key]


def check(what, value, below=(), above=(), key="mu"):
    """`below`: cases whose constant may not exceed the value; `above`: false ones, which must."""
    print(f"{what}: {mp.nstr(value, 22)}")
    for name in below:
        number = claimed(name, key)
        a, _, b = str(number).partition("/")
        assert mpf(a) / mpf(b or 1) <= value, name
    for name in above:
        assert mpf(str(claimed(name, key))) > value, name


def past(name, *steps):
    return [f"{name}-past-{step}" for step in steps]


ALL = "1-permille", "1-percent", "10-percent"

# least squares and the leaky layer
X = matrix([[1, 0.5, 0, -0.5, 0.25], [0.5, 1, -0.25, 0, 0.5], [0, -0.5, 1, 0.25, 0.5]])
least = extremes(X * X.T)[0] / 3
check("least squares, 3 x 5", least, ["least-squares"], past("least-squares", *ALL))
check("leaky layer", least / 4, ["leaky-layer"], ["leaky-layer-no-slope"])
X = inputs("least-squares-large.csv", 50)
check("least squares, 20 x 50", extremes(X * X.T)[0] / 20, ["least-squares-large"], past("least-squares-large", "1-percent"))

# x^2 + 3 sin^2 x
ratio = lambda x: (2 * x + 3 * sin(2 * x)) ** 2 / (2 * (x * x + 3 * sin(x) ** 2))
x = findroot(lambda t: diff(ratio, t), mpf("2.2017"))
assert ratio(x) <= min(ratio(mpf(k) / 1000) for k in range(1, 10001))
check(f"PL at {mp.nstr(x, 20)}", ratio(x), ["pl-sine", "pl-sine-tightest"], ["pl-sine-too-large", *past("pl-sine", *ALL)])
slope = lambda t: 2 + 3 * sin(2 * t) / t
x = findroot(lambda t: 2 * t * cos(2 * t) - sin(2 * t), mpf("2.2467"))
assert slope(x) <= min(slope(mpf(k) / 1000) for k in range(1, 10001))
check(f"error bound at {mp.nstr(x, 20)}", slope(x), ["sine-error-bound"], past("sine-error-bound", "1-permille"))

# LQR
J = lambda k: (1 + k * k / 2) / (1 - (mpf(11) / 10 - k) ** 2)
best = findroot(lambda t: diff(J, t), mpf("0.8179"))
check(f"LQR's optimal cost at {mp.nstr(best, 20)}", J(best))
assert J(best) <= mpf(claimed("lqr", "f_star"))
for star in (J(best), mpf(claimed("lqr", "f_star"))):
    ratio = lambda k: diff(J, k) ** 2 / (2 * (J(k) - star))
    x = findroot(lambda t: diff(ratio, t), mpf("1.00425"))
    check(f"LQR at {mp.nstr(x, 20)}", ratio(x), ["lqr"], past("lqr", *ALL))

# phase retrieval
def phase(X, v, radius):
    n, d = X.rows, X.cols
    M, H = matrix(d, d), matrix(d, d)
    for i in range(n):
        row = [X[i, j] for j in range(d)]
        b, e = abs(sum(p * q for p, q in zip(row, v))), sqrt(sum(p * p for p in row)) * radius
        q = -b * b / 4 if e >= 3 * b / 2 else (b - e) * (2 * b - e)
        for j in range(d):
            for k in range(d):
                M[j, k] += q * row[j] * row[k] / n
                H[j, k] += 2 * b * b * row[j] * row[k] / n
    return extremes(M)[0], extremes(H)[0]


small = json.loads((CASES / "phase-retrieval.json").read_text())["data"]
found, hessian = phase(matrix(small["X"]), small["v_star"], mpf(1) / 8)
check("phase retrieval, radius 1/8", found, ["phase-retrieval"])
check("phase retrieval, Hessian", hessian, (), ["phase-retrieval-hessian"])
large = json.loads((CASES / "phase-retrieval-large.json").read_text())["data"]
found, hessian = phase(inputs("phase-large.csv", 10), large["v_star"], mpf(1) / 16)
check("phase retrieval, dimension 10, radius 1/16", found, ["phase-retrieval-large"])
check("phase retrieval, dimension 10, Hessian", hessian, (), ["phase-retrieval-large-hessian"])

# lazy regime
norms = lambda X: max(sum(X[i, j] ** 2 for j in range(X.cols)) for i in range(X.rows))
assert norms(inputs("separable-small.csv", 2)) < mpf("2.5636") and norms(inputs("separable-large.csv", 8)) < mpf("6.2347")
curvature = 4 / (3 * sqrt(mpf(3)))
assert curvature < mpf("0.7699")
lazy = json.loads((CASES / "lazy-pl-star.json").read_text())["data"]
X, W, a = matrix(lazy["X"]), matrix(lazy["W0"]), lazy["a"]
Z = X * W
jacobian = matrix(3, 24)
for i in range(3):
    for k in range(3):
        for j in range(8):
            jacobian[i, 8 * k + j] = X[i, k] * a[j] * (1 - tanh(Z[i, j]) ** 2)
moved = curvature / 2 * sqrt(sum(sum(X[i, j] ** 2 for j in range(3)) ** 2 for i in range(3))) / 5
check("lazy PL", (min(svd_r(jacobian, compute_uv=False)) - moved) ** 2 / 3, ["lazy-pl-star"])

# the trained network
raw = (CASES / "data" / "xor-net.safetensors").read_bytes()
start = 8 + int.from_bytes(raw[:8], "little")


def tensor(name):
    begin, end = (start + offset for offset in json.loads(raw[8:start])[name]["data_offsets"])
    return [mpf(x) for (x,) in struct.iter_unpack("<f", raw[begin:end])]


W, b, a = tensor("fc1.weight"), tensor("fc1.bias"), tensor("fc2.weight")
points = [((p, q), -p * q) for p in (-1, 1) for q in (-1, 1)]
unit = lambda x, j: a[j] * tanh(W[2 * j] * x[0] + W[2 * j + 1] * x[1] + b[j])
residuals = [sum(unit(x, j) for j in range(4)) - y for x, y in points]
slopes = [[a[j] * (1 - (unit(x, j) / a[j]) ** 2) for j in range(4)] for x, _ in points]
jacobian = matrix([[slope * z for slope in row for z in (*x, 1)] for (x, _), row in zip(points, slopes)])
least, radius = min(svd_r(jacobian, compute_uv=False)), mpf(1) / 10
print(f"trained network, least singular value: {mp.nstr(least, 22)}")
moved = 2 * mpf("0.7699") * 3 * max(map(abs, a)) * radius
check("trained network, PL", (least - moved) ** 2 / 4, ["xor-net-pl"])
row = sqrt(3 * sum(x * x for x in a))
steepest = row * (max(map(abs, residuals)) + row * radius)
print(f"trained network, bound of the gradient: {mp.nstr(steepest, 22)}")
assert claimed("xor-net-lipschitz", "G") == "4/3" and steepest <= mpf(4) / 3
apart = 2 * sqrt(W[0] ** 2 + W[1] ** 2 + b[0] ** 2 + a[0] ** 2)
loss = lambda rest: sum((r - u) ** 2 for r, u in zip(residuals, rest)) / 8
ends, middle = loss([0] * 4), loss([unit(x, 0) for x, _ in points])
print(f"trained network, {mp.nstr(apart, 6)} from its twin: loss {mp.nstr(ends, 6)}, in the middle {mp.nstr(middle, 6)}")
assert apart <= mpf(31) / 10 and middle > ends

# the others
X = table("iris.csv", ["petal_length", "petal_width"])
X = matrix([[X[i, 0], X[i, 1], 1] for i in range(X.rows)])
top = extremes(X.T * X)[1] / (4 * X.rows)
print(f"iris, largest curvature: {mp.nstr(top, 22)}")
assert mpf(claimed("iris-logistic-smooth", "L")) >= top > mpf(claimed("iris-logistic-smooth-past-1-percent", "L"))
X = inputs("neuron-small.csv", 3)
check("leaky neuron", extremes(X.T * X)[0] / X.rows / 25, ["neuron-leaky-relu-one-point"])
check("quartic", 4 / mpf(2) ** (mpf(1) / 4), ["quartic-kl"], past("quartic-kl", "1-percent"))
check("rank one, radius 1/4", 1 - mpf(5) / 64, ["rank-one-tightest"], past("rank-one", "1-percent"))
check("robust regression", 2 / (1 + mpf("3.31") ** 2), ["robust-regression"], key="tau")
check("robust loss", mpf(1) / 5, ["robust-loss"], past("robust-loss", "1-percent"), key="tau")
for n in (3, 6):
    check(f"deep linear, {n}", n / mpf(4) ** (n - 1), [f"deep-linear-{n}"], past(f"deep-linear-{n}", "1-percent"))
