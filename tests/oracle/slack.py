"""Writes `slack.json`: slacks of eight cases at five points each, to 30 significant digits.

    python -m venv venv && venv/bin/pip install mpmath
    venv/bin/python tests/oracle/slack.py

Formulas AND gradients are derived by hand below and evaluated in mpmath with 60 digits; of the cases
only the data are read, as the binary64 numbers that their text rounds to. Points are multiples of
1/1024, so that `w` (and `v`, where it is drawn) is exact in binary64. Where `v` is a point of the case it is
left out: the case states it. Each gradient is held against central differences before it is used.
"""

import csv
import json
import random
from pathlib import Path

from mpmath import exp, fdot, log, matrix, mp, mpf, nstr, sqrt, tanh

mp.dps = 60
HERE = Path(__file__).resolve().parent
CASES = HERE.parents[1] / "cases"


def load(name):
    data = {}
    for key, spec in json.loads((CASES / f"{name}.json").read_text()).get("data", {}).items():
        if isinstance(spec, dict):
            with open(CASES / spec["csv"], newline="") as file:
                rows = list(csv.DictReader(file))
            labels = spec.get("labels", {})
            spec = [[float(labels.get(row[c], row[c])) for c in spec["columns"]] for row in rows]
            spec = [row[0] for row in spec] if len(spec[0]) == 1 else spec
        data[key] = [[mpf(x) for x in row] if isinstance(row, list) else mpf(row) for row in spec]
    return data


def mean(x):
    x = list(x)
    return sum(x) / len(x)


def sigmoid(z):
    return 1 / (1 + exp(-z))


def softplus(z):
    return log(1 + exp(z))


def hold(f, gradient, w):
    """The gradient, after a check by central differences (error about 1e-38 with steps of 1e-20)."""
    step = mpf(10) ** -20
    found = gradient(w)
    for i, g in enumerate(found):
        up, down = (w[:i] + [w[i] + s] + w[i + 1 :] for s in (step, -step))
        assert abs((f(up) - f(down)) / (2 * step) - g) < mpf(10) ** -30 * (1 + abs(g))
    return found


def proxy(f, gradient, g, h):
    return lambda w, v: fdot(hold(f, gradient, w), [a - b for a, b in zip(w, v)]) - g(w) + h(w, v)


def pl(f, gradient, mu, f_star):
    return lambda w, v: sum(x**2 for x in hold(f, gradient, w)) - 2 * mu * (f(w) - f_star)


def iris_logistic():
    d = load("iris-logistic")
    X, y = [row + [mpf(1)] for row in d["X"]], d["y"]
    f = lambda w: mean(softplus(-t * fdot(x, w)) for x, t in zip(X, y))
    # d/dw_k = mean(-y sigmoid(-y x.w) x_k)
    gradient = lambda w: [mean(-t * sigmoid(-t * fdot(x, w)) * x[k] for x, t in zip(X, y)) for k in range(3)]
    return f, gradient


def logistic_convex():
    f, gradient = iris_logistic()
    return proxy(f, gradient, f, lambda w, v: f(v)), 5


def logistic_strongly():
    f, gradient = iris_logistic()
    mu = mpf(1) / 10
    return proxy(f, gradient, f, lambda w, v: f(v) - mu / 2 * sum((a - b) ** 2 for a, b in zip(w, v))), 5


def neuron_tanh():
    d = load("neuron-tanh")
    X, y, star = d["X"], d["y"], d["v_star"]
    f = lambda w: mean((tanh(fdot(x, w)) - t) ** 2 for x, t in zip(X, y)) / 2
    slope = lambda z: 1 - tanh(z) ** 2
    gradient = lambda w: [mean((tanh(fdot(x, w)) - t) * slope(fdot(x, w)) * x[k] for x, t in zip(X, y)) for k in range(3)]
    H = lambda w: mean((tanh(fdot(x, w)) - tanh(fdot(x, star))) ** 2 * slope(fdot(x, w)) for x in X) / 2
    h = lambda w, v: mpf("3.31") * sqrt(sum((a - b) ** 2 for a, b in zip(w, v))) * sqrt(2 * f(v))
    return proxy(f, gradient, lambda w: 2 * H(w), h), 3, star


def leaky_net(name):
    d = load(name)
    X, y, a = d["X"], d["y"], d["a"]
    gamma = mpf(1) / 5
    units = lambda x, w: [x[0] * w[j] + x[1] * w[4 + j] for j in range(4)]
    net = lambda x, w: sum(c * (z if z > 0 else gamma * z) for c, z in zip(a, units(x, w)))
    f = lambda w: mean(softplus(-t * net(x, w)) for x, t in zip(X, y))
    error = lambda w: mean(sigmoid(-t * net(x, w)) for x, t in zip(X, y))

    # d/dW[k, j] = mean(-y sigmoid(-y N) a_j sigma'(z_j) x_k), row-major in (k, j)
    def gradient(w):
        weight = [-t * sigmoid(-t * net(x, w)) for x, t in zip(X, y)]
        slope = [[1 if z > 0 else gamma for z in units(x, w)] for x in X]
        return [mean(q * a[j] * s[j] * x[k] for q, s, x in zip(weight, slope, X)) for k in range(2) for j in range(4)]

    return f, error, gradient, d


def leaky_loss():
    f, _, gradient, d = leaky_net("leaky-net-loss-4")
    v = [5 * x for row in d["V"] for x in row]
    return proxy(f, gradient, f, lambda w, v: log(1 + exp(-5 * mpf(2) / 25))), 3, v


def leaky_gradient():
    f, error, gradient, _ = leaky_net("leaky-net-gradient-4")
    return lambda w, v: sqrt(sum(x**2 for x in hold(f, gradient, w))) - mpf(2) / 25 * error(w), 3, None


def lqr():
    a, r = mpf(11) / 10, mpf(1) / 2
    cost = lambda w: (1 + r * w[0] ** 2) / (1 - (a - w[0]) ** 2)

    # quotient rule: (N' D - N D')/D^2 with N' = 2 r k, D' = 2 (a - k)
    def gradient(w):
        k = w[0]
        top, under = 1 + r * k**2, 1 - (a - k) ** 2
        return [(2 * r * k * under - top * 2 * (a - k)) / under**2]

    return pl(cost, gradient, 3, mpf("1.4498607135")), (mpf("0.15"), mpf("2.05")), None


def matrix_pl():
    M = matrix(load("two-layer-linear-matrix")["M"])
    split = lambda w: (matrix([w[:3], w[3:6]]), matrix([w[6:8], w[8:10], w[10:12]]))
    residual = lambda w: split(w)[0] * split(w)[1] - M
    f = lambda w: sum(x**2 for x in residual(w)) / 2

    # grad_P = E Q^T, grad_Q = P^T E
    def gradient(w):
        P, Q = split(w)
        E = residual(w)
        return list(E * Q.T) + list(P.T * E)

    center = [1, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 0]
    return pl(f, gradient, mpf("0.83"), 0), center, None


def perspective():
    f = lambda w: w[1] * softplus(w[0] / w[1])
    # d/dx = sigmoid(x/t), d/dt = softplus(x/t) - x/t sigmoid(x/t)
    gradient = lambda w: [sigmoid(w[0] / w[1]), softplus(w[0] / w[1]) - w[0] / w[1] * sigmoid(w[0] / w[1])]
    return proxy(f, gradient, f, lambda w, v: f(v)), [(-2, 2), (mpf("0.25"), 3)]


def dyadic(rng, low, high):
    """A multiple of 1/1024 inside [low, high]."""
    return mpf(rng.randint(int(low * 1024) + 1, int(high * 1024) - 1)) / 1024


def points(rng, where, p):
    if isinstance(where, tuple):
        return [dyadic(rng, *where) for _ in range(p)]
    if isinstance(where, list) and isinstance(where[0], tuple):
        return [dyadic(rng, *pair) for pair in where]
    if isinstance(where, list):  # inside the ball of radius 1/2: |offset|_inf <= 0.14 < 0.5/sqrt(12)
        return [c + dyadic(rng, -0.14, 0.14) for c in where]
    return [dyadic(rng, -where, where) for _ in range(p)]


TABLE = [
    ("iris-logistic", 3, logistic_convex),
    ("iris-logistic-strongly-convex", 3, logistic_strongly),
    ("neuron-tanh", 3, neuron_tanh),
    ("leaky-net-loss-4", 8, leaky_loss),
    ("leaky-net-gradient-4", 8, leaky_gradient),
    ("lqr", 1, lqr),
    ("two-layer-linear-matrix", 12, matrix_pl),
    ("logistic-perspective", 2, perspective),
]

if __name__ == "__main__":
    rng = random.Random(5)
    lines = []
    for name, p, build in TABLE:
        slack, where, *fixed = build()
        for _ in range(5):
            w = points(rng, where, p)
            drawn = points(rng, where, p) if not fixed else None
            value = slack(w, fixed[0] if fixed else drawn)
            entry = {"case": name, "w": [float(x) for x in w], "v": drawn and [float(x) for x in drawn]}
            lines.append(json.dumps(entry | {"slack": nstr(value, 30, min_fixed=-5, max_fixed=20)}))
    (HERE / "slack.json").write_text("[\n  " + ",\n  ".join(lines) + "\n]\n")
    print(len(lines), "slacks")
