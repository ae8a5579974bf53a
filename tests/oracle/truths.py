"""Holds the truth values of `cases/README.md` against numbers, independently of proxycert.

    python -m venv venv && venv/bin/pip install numpy scipy jax==0.10.*
    venv/bin/python tests/oracle/truths.py [NAME...]

Every slack is written out again here, by hand, from the mathematics; only data and regions are read
from the cases. Gradients come from JAX in binary64. Each slack is sampled on its region, near the
comparator and on the faces of the box, and the worst points start a projected descent on the slack.
A true claim must never fall below -1e-12 times the size of its terms; a false one must show a
violation. Prints one line per case: name, expected truth, least slack found, and where.
"""

import json
import sys
from fractions import Fraction
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize

jax.config.update("jax_enable_x64", True)
CASES = Path(__file__).resolve().parents[2] / "cases"
softplus = jax.nn.softplus
sigmoid = jax.nn.sigmoid


def load(name):
    """The case's data by name, CSV read with numpy, labels mapped."""
    case = json.loads((CASES / f"{name}.json").read_text())
    data = {}
    for key, spec in case.get("data", {}).items():
        if isinstance(spec, dict):
            head, *rows = (line.split(",") for line in (CASES / spec["csv"]).read_text().split())
            pick = [head.index(c) for c in spec["columns"]]
            labels = spec.get("labels", {})
            table = np.array([[float(labels.get(r[i], r[i])) for i in pick] for r in rows])
            spec = table[:, 0] if len(pick) == 1 else table
        data[key] = jnp.array(spec, float)
    return case, data


def bounds(case, side):
    """Low and high corner of the box of `w` or `v`; None for other sets."""
    sizes = {k: int(np.prod(s)) for k, s in case["parameters"].items()}
    box = case["region"][side].get("box") if side in case["region"] else None
    if box is None:
        return None
    pairs = [box[k] if isinstance(box, dict) else box for k in sizes for _ in range(sizes[k])]
    return np.array([[float(Fraction(str(x))) for x in p] for p in pairs]).T


# --- slacks: each returns (slack, size of its terms) -------------------------------------------------


def pair(f, g=None, h=None):
    """<grad f(w), w - v> - g(w) + h(v), as a function of (w, v)."""
    g, h = g or f, h or f

    def slack(w, v):
        inner, a, b = jnp.vdot(jax.grad(f)(w), w - v), g(w), h(v)
        return inner - a + b, abs(inner) + abs(a) + abs(b)

    return slack


def anchored(f, g, h, v):
    """The same with a fixed comparator; `h` is a function of `w` (through |w - v|).

    Near v the residuals of noiseless labels cancel, so |w - v| belongs to the size of the terms."""

    def slack(w):
        inner, a, b = jnp.vdot(jax.grad(f)(w), w - v), g(w), h(w)
        return inner - a + b, abs(inner) + abs(a) + abs(b) + jnp.sqrt(jnp.sum((w - v) ** 2))

    return slack


def pl(f, mu, f_star=0.0):
    """|grad f|^2 - 2 mu (f - f_star)."""

    def slack(w):
        a, b = jnp.sum(jax.grad(f)(w) ** 2), 2 * mu * (f(w) - f_star)
        return a - b, abs(a) + abs(2 * mu * f(w)) + abs(2 * mu * f_star)

    return slack


def bounded(f, bound):
    """bound - |grad f|."""

    def slack(w):
        norm = jnp.sqrt(jnp.sum(jax.grad(f)(w) ** 2))
        return bound - norm, bound + norm

    return slack


def slack_of(name, data):
    X, y, a = data.get("X"), data.get("y"), data.get("a")
    if name.startswith("iris-logistic"):
        f = lambda w: jnp.mean(jnp.log1p(jnp.exp(-y * (X[:, 0] * w[0] + X[:, 1] * w[1] + w[2]))))
        if "lipschitz" in name:
            return bounded(f, 1 if "small" in name else 5)
        return pair(f) if name == "iris-logistic" else strongly(f, 0.1)
    if name.startswith("iris-softmax"):
        labels = jnp.stack([data["setosa"], data["versicolor"], data["virginica"]], 1)
        def f(w):
            z = X @ w[:12].reshape(4, 3) + w[12:]
            return -jnp.mean(jnp.sum(labels * jax.nn.log_softmax(z, axis=1), axis=1))
        return pair(f, h=(lambda v: 0.99 * f(v)) if name.endswith("shrunk") else f)
    if name.startswith("pl-sine"):
        return pl(lambda w: w[0] ** 2 + 3 * jnp.sin(w[0]) ** 2, 0.2 if "large" in name else 1 / 32)
    if name.startswith("neuron-"):
        return neuron(name, data)
    if name.startswith("leaky-net-"):
        return leaky_net(name, X, y, a)
    if name.startswith("two-layer-linear-matrix"):
        M = data["M"]
        f = lambda w: jnp.sum((w[:6].reshape(2, 3) @ w[6:].reshape(3, 2) - M) ** 2) / 2
        return pl(f, 2.0 if "centre" in name else 0.83)
    if name == "two-layer-linear-units":
        return pl(lambda w: (w[:8] @ w[8:] - 1) ** 2 / 2, 1.5)
    if name.startswith("two-layer-linear"):
        return pl(lambda w: (w[0] * w[1] - 1) ** 2 / 2, 0.5)
    if name.startswith("lqr"):
        cost = lambda w: (1 + w[0] ** 2 / 2) / (1 - (1.1 - w[0]) ** 2)
        return pl(cost, 4.0 if "large" in name else 3.0, 1.44986 if "down" in name else 1.4498607135)
    if name == "log-sum-exp":
        return pair(lambda w: jax.nn.logsumexp(data["A"] @ w + data["c"]))
    if name == "boltzmann-mean":
        def f(w):
            z = data["A"] @ w + data["c"]
            return jnp.sum(jax.nn.softmax(z) * z)
        return pair(f)
    if name == "quadratic-over-linear":
        return pair(lambda w: jnp.sum(w[:3] ** 2) / w[3])
    if name == "quadratic-over-quadratic":
        return pair(lambda w: jnp.sum(w[:3] ** 2) / w[3] ** 2)
    if name == "logistic-perspective":
        return pair(lambda w: w[1] * softplus(w[0] / w[1]))
    if name.startswith("phase-retrieval"):
        anchor = data["solution"]
        f = lambda w: jnp.mean(((a @ w) ** 2 - (a @ anchor) ** 2) ** 2) / 4
        return anchored(f, lambda w: jnp.sum((w - anchor) ** 2) / 3, lambda w: 0.0, anchor)
    if name.startswith("squared-relu"):
        return pair(lambda w: jnp.mean((jnp.maximum(X @ w, 0) - y) ** 2))
    raise KeyError(name)


def strongly(f, mu):
    def slack(w, v):
        inner, a, b, q = jnp.vdot(jax.grad(f)(w), w - v), f(w), f(v), mu / 2 * jnp.sum((w - v) ** 2)
        return inner - a + b - q, abs(inner) + abs(a) + abs(b) + q

    return slack


GAMMA = 0.2
ACTIVATIONS = {  # sigma, sigma', Lipschitz constant
    "leaky-relu": (lambda z: jnp.where(z > 0, z, GAMMA * z), lambda z: jnp.where(z > 0, 1.0, GAMMA), 1.0),
    "relu": (lambda z: jnp.where(z > 0, z, 0.0), lambda z: jnp.where(z > 0, 1.0, 0.0), 1.0),
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * sigmoid(-z), 0.25),
    "tanh": (jnp.tanh, lambda z: 1 / jnp.cosh(z) ** 2, 1.0),
    "softplus": (softplus, sigmoid, 1.0),
}


def neuron(name, data):
    rest = name.removeprefix("neuron-")
    key = next(k for k in ACTIVATIONS if rest.startswith(k))
    sigma, slope, L = ACTIVATIONS[key]
    L = L / 2 if "wrong-lipschitz" in name else L
    X, v = data["X"], data["v_star"]
    target = sigma(X @ v)
    y = data.get("y", target)
    f = lambda w: jnp.mean((sigma(X @ w) - y) ** 2) / 2
    if "ungated" in name:
        factor = 2 * GAMMA / L if name == "neuron-leaky-relu-ungated" else 2 / L
        g = lambda w: factor * jnp.mean((sigma(X @ w) - target) ** 2) / 2
    else:
        g = lambda w: 2 / L * jnp.mean((sigma(X @ w) - target) ** 2 * slope(X @ w)) / 2
    B = 6.12 if "large" in name else 3.31
    noise = 0.0 if "no-noise" in name else L * B * jnp.sqrt(2 * f(v))
    assert float(jnp.max(jnp.linalg.norm(X, axis=1))) < B
    return anchored(f, g, lambda w: noise * jnp.sqrt(jnp.sum((w - v) ** 2)), v)


def leaky_net(name, X, y, a):
    part = name.split("-")[2]
    sigma, _, _ = ACTIVATIONS["leaky-relu"]
    margin = lambda w: y * (sigma(X @ w.reshape(X.shape[1], -1)) @ a)
    f = lambda w: jnp.mean(softplus(-margin(w)))
    g = lambda w: jnp.mean(sigmoid(-margin(w)))
    c = 0.4 if "no-slope" in name else 0.08
    u = jnp.array([0.6, 0.8] if X.shape[1] == 2 else [0.5] * 4 + [0.0] * 4)
    assert float(jnp.min(y * (X @ u))) > 0.409 and abs(float(jnp.sum(a**2)) - 1) < 1e-12
    if part == "gradient":
        def slack(w):
            left, right = jnp.sqrt(jnp.sum(jax.grad(f)(w) ** 2)), c * g(w)
            return left - right, left + right
        return slack
    V = 5 * jnp.outer(u, a).ravel()
    if part == "loss":
        return anchored(f, f, lambda w: jnp.log1p(jnp.exp(-5 * c)), V)
    return anchored(f, lambda w: 5 * c * g(w), lambda w: 0.2784645428, V)


# --- search --------------------------------------------------------------------------------------------


def examine(name, samples=400_000):
    case, data = load(name)
    slack = slack_of(name, data)
    p = sum(int(np.prod(s)) for s in case["parameters"].values())
    rng = np.random.default_rng(0)
    low_w, pairs = bounds(case, "w"), bounds(case, "v") is not None
    n = samples if p < 50 else samples // 10
    keep = lambda w: np.ones(len(w), bool)
    if low_w is None:  # the balls of two-layer-linear-matrix and phase-retrieval, both of radius 1/2
        center = np.asarray(data.get("solution", [1, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 0.0]))
        x = rng.normal(size=(n, p))
        w = center + 0.5 * x / np.linalg.norm(x, axis=1)[:, None] * rng.uniform(size=(n, 1)) ** (1 / p)
        w[: n // 4] = center + 0.4999999 * x[: n // 4] / np.linalg.norm(x[: n // 4], axis=1)[:, None]
        keep = lambda w: np.linalg.norm(w - center, axis=1) <= 0.5
        low, high = center - 0.5, center + 0.5
        points = w
    else:
        low, high = low_w if not pairs else np.concatenate([low_w, bounds(case, "v")], axis=1)
        points = rng.uniform(low, high, size=(n, len(low)))
        faces = rng.uniform(size=(n // 4, len(low))) < 0.3
        points[: n // 4] = np.where(faces, np.where(rng.uniform(size=faces.shape) < 0.5, low, high), points[: n // 4])
        near = points[n // 4 : n // 2]
        if pairs:
            near[:, p:] = near[:, :p] + rng.normal(size=(len(near), p)) * 10.0 ** rng.uniform(-6, 0, (len(near), 1))
        elif "v_star" in data:
            v = np.asarray(data["v_star"])
            near[:] = v + rng.normal(size=(len(near), p)) * 10.0 ** rng.uniform(-6, 0, (len(near), 1))
        points = np.clip(points, low, high)
    if "where" in case["region"]:
        r = 1.5 if name.endswith("units") else 0.5
        points[: n // 4] *= np.sqrt(r * (1 + 1e-9)) / np.linalg.norm(points[: n // 4], axis=1)[:, None]
        keep = lambda w: np.sum(w**2, axis=1) >= r
    points = points[keep(points) & np.all((points >= low) & (points <= high), axis=1)]
    both = (lambda z: slack(z[:p], z[p:])) if pairs else slack
    many = jax.jit(jax.vmap(both))
    values, sizes = (np.concatenate(a) for a in zip(*(map(np.asarray, many(points[i : i + 20000])) for i in range(0, len(points), 20000))))
    relative = values / np.maximum(sizes, 1e-300)
    one = jax.jit(both)
    descent = jax.jit(jax.value_and_grad(lambda z: both(z)[0]))
    best = [(float(values[i]), float(relative[i]), points[i]) for i in (np.argmin(values), np.argmin(relative))]
    for i in np.argsort(values)[:12]:
        fun = lambda z: tuple(map(np.asarray, descent(z)))
        z = minimize(fun, points[i], jac=True, method="L-BFGS-B", bounds=list(zip(low, high))).x
        if keep(z[None])[0]:
            s, t = map(float, one(z))
            best.append((s, s / max(t, 1e-300), z))
    return len(points), float(np.mean(relative < -1e-12)), min(best, key=lambda b: b[1]), min(best, key=lambda b: b[0])


if __name__ == "__main__":
    names = sys.argv[1:] or sorted(path.stem for path in CASES.glob("*.json"))
    wrong = 0
    for name in names:
        title = json.loads((CASES / f"{name}.json").read_text())["title"]
        truth = not title.startswith("False")
        count, share, worst, least = examine(name)
        agrees = (worst[1] >= -1e-12) == truth
        wrong += not agrees
        print(f"{'ok ' if agrees else 'BAD'} {name:42} {str(truth):5} n={count} share={share:.3g}"
              f" least={least[0]:.6g} relative={worst[1]:.3g} at {np.round(least[2], 4).tolist() if len(least[2]) < 7 else '...'}", flush=True)
    sys.exit(wrong)
