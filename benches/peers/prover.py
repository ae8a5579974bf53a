"""The prover beside codac, SCIP and z3, on the same claims in one run.

    python benches/peers/prover.py [--limit 60] [--proxycert target/debug/proxycert] [CLAIM...]

Each claim is a case of `cases/`. Its slack is written out here once more, by hand, over the operations
that each peer fills in; arrays and boxes are the case's. Every job is a process of its own with a time
limit. Prints a markdown table of verdicts and times, that of our whole process and that of its engines alone
(`run.seconds` of the certificate); README.md says what they mean.
"""

import argparse
import csv
import json
import math
import resource
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import mpmath

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-9  # proved: slack >= -TOLERANCE, as in the cases
SCIP_TOLERANCE = 1e-6  # SCIP's own feasibility tolerance
PEERS = ["codac", "scip", "z3"]
MEMORY = 6 << 30
mpmath.mp.dps = 50


# --- the claims: slack, and what is not negative on the region -------------------------------------------


def dot(a, b):
    return sum((x * y for x, y in zip(a[1:], b[1:])), a[0] * b[0])


def pl_sine(mu):
    def claim(o, x):
        (x,) = x
        return (2 * x + 3 * o.sin(2 * x)) ** 2 - 2 * o.number(mu) * (x**2 + 3 * o.sin(x) ** 2), []

    return claim


def lqr(mu):
    """J = above/below; below > 0 on the box."""

    def claim(o, k):
        (k,) = k
        closed = o.number("1.1") - k
        above, below = 1 + k**2 / 2, 1 - closed**2
        slope = (k * below - 2 * above * closed) / below**2
        return slope**2 - 2 * mu * (above / below - o.number("1.4498607135")), []

    return claim


def two_layer(o, x):
    """On a^2 + b^2 >= 1/2."""
    (a, b), r = x, o.number("0.5")
    gap = a * b - 1
    return (b * gap) ** 2 + (a * gap) ** 2 - r * gap**2, [a**2 + b**2 - r]


def two_layer_full(o, x):
    return two_layer(o, x)[0], []


def phase(o, x):
    """<grad f(x), x - z> - |x - z|^2/3 on |x - z| <= 1/2."""
    z, step, total = o.data["solution"], [p - q for p, q in zip(x, o.data["solution"])], 0
    for row in o.data["a"]:
        u, s = dot(row, x), dot(row, z)
        total += (u**2 - s**2) * u * dot(row, step)
    square = dot(step, step)
    return total / 4 - square / 3, [o.number("0.25") - square]


def neuron(sigma, slope, bound="3.31"):
    """<grad f(w), w - v> - 2 H(w) + B |w - v| sqrt(2 f(v)), with L = 1 and B the bound."""

    def claim(o, w):
        X, y, v = o.data["X"], o.data["y"], o.data["v_star"]
        total, noise = 0, 0
        for row, label in zip(X, y):
            z, target = dot(row, w), sigma(o, dot(row, v))
            value, rate = sigma(o, z), slope(o, z)
            total += (value - label) * rate * (z - dot(row, v)) - (value - target) ** 2 * rate
            noise += (target - label) ** 2
        distance = o.sqrt(sum((p - q) ** 2 for p, q in zip(w, v)))
        return total / len(y) + o.number(bound) * distance * o.sqrt(noise / len(y)), []

    return claim


def leaky_net(o, W):
    """<grad f(W), W - sV> - f(W) + log(1 + e^(-s c)); W row-major, gamma = 1/5, s = 5, s c = 2/5."""
    X, y, a, V = (o.data[name] for name in "XyaV")
    width, total = len(a), 0
    for row, label in zip(X, y):
        output, along = 0, 0
        for j in range(width):
            z = dot(row, [W[k * width + j] for k in range(len(row))])
            value, slope = o.leaky(z, 3 * sum(abs(float(x)) for x in row), "1/5")
            output += a[j] * value
            along += a[j] * slope * (z - 5 * dot(row, [line[j] for line in V]))
        margin = label * output
        total += -label * along / (1 + o.exp(margin)) - o.log(1 + o.exp(-margin))
    return total / len(y) + o.number(mpmath.log1p(mpmath.exp(mpmath.mpf(-2) / 5))), []


def polyak(o, x):
    """|grad f|^2 - 2 f, f = (x^2 + y^2)/2 + (x - y)^4."""
    x, y = x
    cube = (x - y) ** 3
    return (x + 4 * cube) ** 2 + (y - 4 * cube) ** 2 - x**2 - y**2 - 2 * (x - y) ** 4, []


def logistic(o, x):
    """<grad f(w), w - v> - f(w) + f(v), both w and v free."""
    total = 0
    for row, label in zip(o.data["X"], o.data["y"]):
        margin, other = (label * (dot(row, u[:2]) + u[2]) for u in (x[:3], x[3:]))
        total += -(margin - other) / (1 + o.exp(margin)) - o.log(1 + o.exp(-margin)) + o.log(1 + o.exp(-other))
    return total / len(o.data["y"]), []


def rank_one(o, x):
    """h = x - v and the gradient of |x x^T - v v^T|^2/4; the ball |h| <= 1/4."""
    v = o.data["v_star"]
    step, square, along = [p - q for p, q in zip(x, v)], dot(x, x), dot(v, x)
    return step, [square * p - along * q for p, q in zip(x, v)], [o.number("1/16") - dot(step, step)]


def regularity(o, x):
    """<grad f, h> - |h|^2/2 - |grad f|^2/20"""
    step, gradient, region = rank_one(o, x)
    return dot(gradient, step) - dot(step, step) / 2 - dot(gradient, gradient) / 20, region


def one_point(mu):
    """<grad f, h> - mu |h|^2"""

    def claim(o, x):
        step, gradient, region = rank_one(o, x)
        return dot(gradient, step) - o.number(mu) * dot(step, step), region

    return claim


def softmax(o, x):
    powers = [o.exp(t) for t in x]
    total = sum(powers[1:], powers[0])
    return [power / total for power in powers]


def bandit(weight):
    """With pi the softmax and l = 1 - r.pi: |grad l| - pi_0 l; or, with a weight, |grad l|^2 - weight (pi_0 l)^2."""

    def claim(o, x):
        r, pi = o.data["r"], softmax(o, x)
        value = dot(r, pi)
        square = sum((p * (a - value)) ** 2 for p, a in zip(pi, r))
        proxy = pi[0] * (1 - value)
        return (square - o.number(weight) * proxy**2 if weight else o.sqrt(square) - proxy), []

    return claim


def cocoercive(steepness):
    """<pi(w) - pi(v), w - v> - |pi(w) - pi(v)|^2/L"""

    def claim(o, x):
        change = [p - q for p, q in zip(softmax(o, x[:3]), softmax(o, x[3:]))]
        step = [p - q for p, q in zip(x[:3], x[3:])]
        return dot(change, step) - dot(change, change) / o.number(steepness), []

    return claim


def pinsker(factor):
    """lse(w) - lse(v) - <pi(v), w - v> - factor (sum of |pi(w) - pi(v)|)^2"""

    def claim(o, x):
        w, v = x[:3], x[3:]
        change = [p - q for p, q in zip(softmax(o, w), softmax(o, v))]
        step = [p - q for p, q in zip(w, v)]
        values = [o.log(sum((o.exp(t) for t in u[1:]), o.exp(u[0]))) for u in (w, v)]
        sizes = [o.abs(t) for t in change]
        gap = values[0] - values[1] - dot(softmax(o, v), step)
        return gap - o.number(factor) * sum(sizes[1:], sizes[0]) ** 2, []

    return claim


def leaky_layer(mu):
    """|grad f|^2 - 2 mu f, f = mean((leaky_relu(X x, 1/2) - y)^2)/2"""

    def claim(o, x):
        X, y, n = o.data["X"], o.data["y"], len(o.data["y"])
        gradient, loss = [0] * len(x), 0
        for row, label in zip(X, y):
            # the entries of a row add up to 2.25, and |x_i| <= 3
            value, slope = o.leaky(dot(row, x), 7, "1/2")
            gradient = [g + t * slope * (value - label) / n for g, t in zip(gradient, row)]
            loss += (value - label) ** 2 / (2 * n)
        return dot(gradient, gradient) - 2 * o.number(mu) * loss, []

    return claim


CLAIMS = {
    "pl-sine": pl_sine("1/32"),
    "pl-sine-too-large": pl_sine("1/5"),
    "lqr": lqr(3),
    "lqr-too-large": lqr(4),
    "two-layer-linear": two_layer,
    "two-layer-linear-full-box": two_layer_full,
    "phase-retrieval-tighten": phase,
    "neuron-tanh": neuron(lambda o, z: o.tanh(z), lambda o, z: 1 - o.tanh(z) ** 2),
    "neuron-softplus": neuron(lambda o, z: o.log(1 + o.exp(z)), lambda o, z: 1 / (1 + o.exp(-z))),
    "leaky-net-loss-2": leaky_net,
    "leaky-net-loss-4": leaky_net,
    "leaky-net-loss-16": leaky_net,
    "neuron-tanh-large": neuron(lambda o, z: o.tanh(z), lambda o, z: 1 - o.tanh(z) ** 2, "6.12"),
    "polyak-strongly-convex": polyak,
    "iris-logistic": logistic,
    "rank-one": regularity,
    "rank-one-tightest": one_point("59/64"),
    "rank-one-past-1-percent": one_point("0.931"),
    "bandit-3": bandit(None),
    "bandit-3-tightest": bandit("3/2"),
    "bandit-3-past-1-percent": bandit("1.515"),
    "cocoercive": cocoercive("1/2"),
    "cocoercive-too-large": cocoercive("0.49"),
    "pinsker": pinsker("1/2"),
    "pinsker-past-1-percent": pinsker("0.505"),
    "leaky-layer": leaky_layer("0.0339"),
    "leaky-layer-no-slope": leaky_layer("0.1357"),
}
# v lies in the same set as w, and the case does not say so
PAIRS = ["cocoercive", "cocoercive-too-large", "pinsker", "pinsker-past-1-percent"]
ALGEBRAIC = ["lqr", "lqr-too-large", "two-layer-linear", "two-layer-linear-full-box", "phase-retrieval-tighten",
             "polyak-strongly-convex", "rank-one", "rank-one-tightest", "rank-one-past-1-percent", "leaky-layer",
             "leaky-layer-no-slope"]


def load(name):
    """The arrays of a case, as the binary64 numbers of their text, and the box of its variables (round a ball)."""
    case = json.loads((ROOT / "cases" / f"{name}.json").read_text())
    data = {}
    for key, spec in case.get("data", {}).items():
        if isinstance(spec, dict):
            with open(ROOT / "cases" / spec["csv"], newline="") as file:
                rows = list(csv.DictReader(file))
            labels = spec.get("labels", {})
            table = [[float(labels.get(row[c], row[c])) for c in spec["columns"]] for row in rows]
            spec = [row[0] for row in table] if len(spec["columns"]) == 1 else table
        data[key] = spec
    size = sum(math.prod(shape) for shape in case["parameters"].values())
    number = lambda x: float(Fraction(str(x)))
    box = []
    for side in case["region"].values():
        if "box" in side:
            box += [[number(x) for x in side["box"]]] * size
        elif "ball" in side:
            radius = number(side["ball"]["radius"])
            box += [[c - radius, c + radius] for c in data[side["ball"]["center"]]]
    return data, box * 2 if name in PAIRS else box


# --- the peers: each yields a verdict ----------------------------------------------------------------------


class Ops:
    """Operations of a peer; `number` takes a text, a binary64 number or an mpmath number."""

    def __init__(self, data):
        exact = lambda x: [exact(y) for y in x] if isinstance(x, list) else self.number(x)
        self.data = {name: exact(values) for name, values in data.items()}


class Digits(Ops):
    """50 digits, to look at a point."""

    exp, log, sin, tanh, sqrt = (staticmethod(getattr(mpmath, f)) for f in ("exp", "log", "sin", "tanh", "sqrt"))

    def number(self, x):
        x = Fraction(x) if isinstance(x, str) else x
        return mpmath.mpf(x.numerator) / x.denominator if isinstance(x, Fraction) else mpmath.mpf(x)

    abs = staticmethod(abs)

    def leaky(self, z, _, slope):
        return (z, 1) if z > 0 else (self.number(slope) * z, self.number(slope))


def violates(name, data, box, point):
    """Whether a point of the region has a negative slack."""
    if not all(lo <= x <= hi for x, (lo, hi) in zip(point, box)):
        return False
    slack, region = CLAIMS[name](Digits(data), [mpmath.mpf(x) for x in point])
    return slack < 0 and all(x >= 0 for x in region)


def codac(name, data, box):
    """The boxes that may hold slack <= -tolerance, at finer and finer resolutions."""
    import codac as c

    class Codac(Ops):
        exp, log, sin, tanh, sqrt, abs = c.exp, c.log, c.sin, c.tanh, c.sqrt, c.abs

        def number(self, x):
            if isinstance(x, mpmath.mpf):
                return c.Interval(float(x)).inflate(1e-15)
            rounded = float(Fraction(x))
            return rounded if rounded == Fraction(x) else c.Interval(c.prev_float(rounded), c.next_float(rounded))

        def leaky(self, z, _, slope):
            gamma = self.number(slope)
            return c.max(z, gamma * z), (1 + gamma) / 2 + (1 - gamma) / 2 * c.sign(z)

    yield  # the clock starts
    x = c.VectorVar(len(box))
    slack, region = CLAIMS[name](Codac(data), [x[i] for i in range(len(box))])
    contractor = c.CtcInverse(c.AnalyticFunction([x], slack), c.Interval(-c.oo, -TOLERANCE))
    for g in region:
        contractor = contractor & c.CtcInverse(c.AnalyticFunction([x], g), c.Interval(0, c.oo))
    resolution = 1.0
    while True:
        paving = c.pave(c.IntervalVector(box), contractor, resolution)
        left = [part for part in paving.boxes(c.PavingOut.outer) if not part.is_empty()]
        if not left:
            yield "proved"
        for part in left[:1000]:
            if violates(name, data, box, [part.mid()[i] for i in range(len(box))]):
                yield "refuted"
        resolution /= 4


def scip(name, data, box):
    """The least slack by global optimisation."""
    import pyscipopt as s

    yield
    model = s.Model()
    model.hideOutput()

    class Scip(Ops):
        def number(self, x):
            return float(Fraction(x)) if isinstance(x, str) else float(x)

        def tanh(self, z):
            return 1 - 2 / (1 + self.exp(2 * z)) if isinstance(z, s.Expr) else math.tanh(z)

        abs = staticmethod(abs)

        def leaky(self, z, bound, slope):
            """max(z, slope z) and its slope, from a positive part and its indicator."""
            slope = self.number(slope)
            part, sign = model.addVar(lb=0, ub=bound), model.addVar(vtype="B")
            model.addCons(part >= z)
            model.addCons(part <= z + bound * (1 - sign))
            model.addCons(part <= bound * sign)
            return slope * z + (1 - slope) * part, slope + (1 - slope) * sign

    for function in ("exp", "log", "sin", "sqrt"):
        of = lambda f: lambda self, z: getattr(s if isinstance(z, (s.Expr, s.scip.GenExpr)) else math, f)(z)
        setattr(Scip, function, of(function))
    x = [model.addVar(lb=lo, ub=hi) for lo, hi in box]
    slack, region = CLAIMS[name](Scip(data), x)
    least = model.addVar(lb=None)
    model.addCons(slack - least <= 0)
    for g in region:
        model.addCons(g >= 0)
    model.setObjective(least, "minimize")
    model.setParam("limits/dual", -SCIP_TOLERANCE)
    model.setParam("limits/primal", -1e-5)
    model.optimize()
    if model.getDualbound() >= -SCIP_TOLERANCE:
        yield "proved"
    if model.getNSols() and violates(name, data, box, [model.getVal(xi) for xi in x]):
        yield "refuted"
    yield "undecided"


def z3(name, data, box):
    """Whether slack < -tolerance is satisfiable over the reals."""
    import z3 as z

    class Exact(Ops):
        def number(self, x):
            return z.RealVal(Fraction(x))

        def leaky(self, t, _, slope):
            slope = self.number(slope)
            return z.If(t >= 0, t, slope * t), z.If(t >= 0, z.RealVal(1), slope)

    yield
    if name not in ALGEBRAIC:
        yield "not algebraic"
    x = [z.Real(f"x{i}") for i in range(len(box))]
    o = Exact(data)
    slack, region = CLAIMS[name](o, x)
    solver = z.SolverFor("QF_NRA")
    for xi, (lo, hi) in zip(x, box):
        solver.add(xi >= o.number(lo), xi <= o.number(hi))
    solver.add(slack < -o.number(TOLERANCE), *(g >= 0 for g in region))
    answer = solver.check()
    if answer == z.unsat:
        yield "proved"
    if answer == z.sat:
        values = [solver.model().eval(xi, model_completion=True) for xi in x]
        values = [v.approx(40) if z.is_algebraic_value(v) else v for v in values]
        point = [mpmath.mpf(v.numerator_as_long()) / v.denominator_as_long() for v in values]
        if violates(name, data, box, point):
            yield "refuted"
    yield "undecided"


# --- running them --------------------------------------------------------------------------------------------


def job(peer, name):
    """One peer on one claim, in this process: verdict and seconds, the import not counted."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    steps = {"codac": codac, "scip": scip, "z3": z3}[peer](name, *load(name))
    next(steps)
    start = time.perf_counter()
    verdict = next(steps)
    print(json.dumps({"verdict": verdict, "seconds": time.perf_counter() - start}))


def run(command, limit):
    """The finished process and its seconds; None when the time is over."""
    start = time.perf_counter()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return None
    return done, time.perf_counter() - start


def proxycert(binary, name, limit):
    done = run([binary, "certify", ROOT / "cases" / f"{name}.json", "--json"], limit)
    if done is None:
        return {"verdict": f"> {limit} s", "seconds": None, "engines": None, "boxes": ""}
    done, seconds = done
    certificate = json.loads(done.stdout)
    boxes = (certificate["evidence"]["proof"] or {}).get("boxes", "")
    engines = certificate["run"]["seconds"]
    return {"verdict": certificate["verdict"], "seconds": seconds, "engines": engines, "boxes": boxes}


def peer_run(peer, name, limit):
    done = run([sys.executable, __file__, "--job", peer, name], limit + 10)
    if done is None:
        return {"verdict": f"> {limit} s", "seconds": None}
    lines = done[0].stdout.splitlines()
    if done[0].returncode != 0 or not lines:
        print(f"{peer} {name}: {done[0].stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return {"verdict": "failed", "seconds": None}
    answer = json.loads(lines[-1])
    return answer if answer["seconds"] <= limit else {"verdict": f"> {limit} s", "seconds": None}


def decided(answer):
    return answer["verdict"] in ("proved", "refuted")


def best_of_three(attempt):
    """Short runs are repeated: other work on the machine only ever slows them down."""
    first = attempt()
    if not decided(first) or first["seconds"] > 5:
        return first
    return min([first, attempt(), attempt()], key=lambda answer: answer["seconds"] or math.inf)


def cell(answer):
    return f"{answer['verdict']} {answer['seconds']:.2g} s" if answer["seconds"] and decided(answer) else answer["verdict"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("claim", nargs="*", help=f"of {', '.join(CLAIMS)}; all by default")
    arguments.add_argument("--limit", type=int, default=60, help="seconds for each job")
    arguments.add_argument("--proxycert", type=Path, default=ROOT / "target/debug/proxycert")
    arguments.add_argument("--job", choices=PEERS, help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.job:
        return job(asked.job, *asked.claim)
    limit = asked.limit
    print(f"| claim | variables | proxycert | its engines | boxes | {' | '.join(PEERS)} | best peer / proxycert | / its engines |")
    print("| --- |" + " --- |" * (len(PEERS) + 6))
    # ratios of a peer's time, by whether one decides, to that of the process and to that of its engines
    ratios = {True: [], False: []}
    for name in asked.claim or CLAIMS:
        ours = best_of_three(lambda: proxycert(asked.proxycert, name, limit))
        theirs = [best_of_three(lambda: peer_run(peer, name, limit)) for peer in PEERS]
        best = min((answer["seconds"] for answer in theirs if decided(answer)), default=None)
        shown = ["", ""]
        if decided(ours):
            own = [ours["seconds"], ours["engines"]]
            ratios[best is not None].append([(best or limit) / seconds for seconds in own])
            bound = "" if best is not None else "> "
            shown = [f"{bound}{ratio:.2g}" for ratio in ratios[best is not None][-1]]
        engines = f"{ours['engines']:.2g} s" if decided(ours) else ""
        cells = [f"`{name}`", str(len(load(name)[1])), cell(ours), engines, str(ours["boxes"]), *map(cell, theirs), *shown]
        print(f"| {' | '.join(cells)} |", flush=True)
    for words, chosen in [("that some peer decides", ratios[True]),
                          (f"of the table, {limit} s for peers that do not decide", ratios[True] + ratios[False])]:
        if chosen:
            means = [math.exp(sum(map(math.log, column)) / len(column)) for column in zip(*chosen)]
            print(f"\nGeometric mean over the {len(chosen)} claims {words}: {means[0]:.2g}, engines alone {means[1]:.2g}")


if __name__ == "__main__":
    main()
