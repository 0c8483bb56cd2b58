#!/usr/bin/env python3
"""Naive reference evaluator for values over time: `avg(x, 5m)` and its kin over the checks of a trace.

It is written to be obviously right, not fast: at every tick the window is collected anew from the whole trace, and what is
made of it is computed with fractions, so nothing is rounded but the result, once, to the nearest double (halves to even).

MODEL
  As in temporal_reference.py: tick times, metrics that hold a number or are missing (None), `check_every` D, `active_from` A.
  At a tick t the window of d seconds holds the ticks in (t - d, t] that are not before A.  A tick without a value contributes
  nothing, nor does a check that never happened.  d / D checks are planned in d: with a value at fewer than half of them the
  result is missing.
      avg sum min max     of the values in the window
      stddev              of the population: the root of the mean of the squares of what each differs from the mean by
      delta               the last value of the window less the first; missing with fewer than two
      rate                delta over the seconds between these two
      quantile            of the values in order, straight between the two nearest: at place q * (n - 1), counted from 0 and
                          reckoned in doubles, as Prometheus' quantile_over_time does; the value between is exact
  A result that no double can hold is missing.  -0 is 0.

FORMULAS (JSON), beside those of temporal_reference.py
  {"window": {"of": x, "how": "avg", "seconds": d}}       x is a metric's name or another window;
                                                          how is avg, sum, min, max, stddev, delta, rate, or quantile with "q"
  may stand for a metric's name in `cmp` and `missing`, and as the outermost formula, where `expect` holds numbers, "U" where the
  value is missing, and null before A.

  The files are those of temporal_reference.py with "format": 2.

USE
  window_reference.py check FILE            re-evaluate a vector file; exit 1 on a difference
  window_reference.py random SEED COUNT     print COUNT random vectors as JSON
"""
import json
import math
import random
import sys
from fractions import Fraction

sys.dont_write_bytecode = True  # nothing is left beside the vectors
import temporal_reference as base
from temporal_reference import T, U, Trace, trace_of


def rounded(exact):
    """The nearest double; None where there is none."""
    try:
        return float(exact) + 0.0
    except OverflowError:
        return None


def root(exact):
    """The nearest double to the root of a fraction: far more digits than a double has, and a last one that says `and more`."""
    if exact == 0:
        return 0.0
    more = max(0, 2400 - exact.numerator.bit_length() + exact.denominator.bit_length())
    whole = (exact.numerator << 2 * more) // exact.denominator
    r = math.isqrt(whole)
    inexact = r * r != whole or whole * exact.denominator != exact.numerator << 2 * more
    return rounded(Fraction(2 * r + inexact, 2 << more))


def made_of(how, q, samples):
    """What is made of the samples [(time, value)] of one window, at least one."""
    xs = [Fraction(x) for _, x in samples]
    n = len(xs)
    if how == "avg":
        return rounded(sum(xs) / n)
    if how == "sum":
        return rounded(sum(xs))
    if how == "min":
        return rounded(min(xs))
    if how == "max":
        return rounded(max(xs))
    if how == "stddev":
        mean = sum(xs) / n
        return root(sum((x - mean) ** 2 for x in xs) / n)
    if how in ("delta", "rate"):
        if n < 2:
            return None
        (t0, _), (t1, _) = samples[0], samples[-1]
        return rounded((xs[-1] - xs[0]) / (t1 - t0 if how == "rate" else 1))
    if how == "quantile":
        xs.sort()
        rank = q * (n - 1)                       # doubles, as in Prometheus
        below = math.floor(rank)
        part = Fraction(rank - below)
        return rounded(xs[below] + (xs[min(below + 1, n - 1)] - xs[below]) * part)
    raise ValueError("unknown %s" % how)


def values(of, tr):
    """The value of a metric or a window at every tick; None where it is missing, and before A."""
    if isinstance(of, str):
        return tr.metrics[of]
    w = of["window"]
    xs, d = values(w["of"], tr), w["seconds"]
    out = []
    for i, now in enumerate(tr.t):
        inside = [(t, x) for k, (t, x) in enumerate(zip(tr.t, xs))
                  if tr.a <= k <= i and now - d < t and x is not None]
        enough = 2 * len(inside) * tr.check_every >= d
        out.append(made_of(w["how"], w.get("q"), inside) if inside and enough else None)
    return out


def named(f, tr, metrics):
    """The formula with every window replaced by the name of a metric that holds its values, which is added to `metrics`."""
    (op, arg), = f.items()
    def name(of):
        if isinstance(of, str):
            return of
        key = json.dumps(of, sort_keys=True)
        metrics[key] = values(of, tr)
        return key
    if op == "cmp":
        return {op: [name(arg[0])] + arg[1:]}
    if op == "missing":
        return {op: name(arg)}
    if op in ("and", "or"):
        return {op: [named(g, tr, metrics) for g in arg]}
    if op == "not":
        return {op: named(arg, tr, metrics)}
    if isinstance(arg, dict):
        return {op: {k: named(v, tr, metrics) if k in ("of", "while", "healthy") else v for k, v in arg.items()}}
    return f


def evaluate(f, tr):
    if "window" in f:
        return [None if i < tr.a else U if v is None else v for i, v in enumerate(values(f, tr))]
    metrics = dict(tr.metrics)
    plain = named(f, tr, metrics)
    whole = Trace(tr.t, metrics, tr.check_every, tr.bridge)
    whole.a = tr.a
    return base.evaluate(plain, whole)


def window_text(of):
    if isinstance(of, str):
        return of
    w = of["window"]
    level = ", %g" % w["q"] if w["how"] == "quantile" else ""
    return "%s(%s%s, %ds)" % (w["how"], window_text(w["of"]), level, w["seconds"])


def source(f):
    """The formula as policy text, for reading."""
    (op, arg), = f.items()
    if op == "window":
        return window_text(f)
    named_by_text = json.loads(json.dumps(f))
    def walk(g):
        (o, a), = g.items()
        if o == "cmp":
            a[0] = window_text(a[0])
        elif o == "missing":
            g[o] = window_text(a)
        elif o in ("and", "or"):
            for h in a:
                walk(h)
        elif o == "not":
            walk(a)
        elif isinstance(a, dict):
            for k in ("of", "while", "healthy"):
                if k in a:
                    walk(a[k])
    walk(named_by_text)
    return base.source(named_by_text)


def vector(name, formula, ticks, metrics, check_every=15, bridge=60, active_from=0, why=""):
    v = {"name": name, "source": source(formula), "formula": formula, "check_every": check_every,
         "bridge": bridge, "active_from": active_from, "ticks": ticks, "metrics": metrics}
    v["expect"] = evaluate(formula, trace_of(v))
    if why:
        v["why"] = why
    return v


# ---------------------------------------------------------------- random vectors
HOWS = ["avg", "sum", "min", "max", "stddev", "delta", "rate", "quantile"]


def random_window(r, step, depth=1):
    of = r.choice(["x", "y"])
    if depth and r.random() < 0.15:
        of = random_window(r, step, depth - 1)
    w = {"of": of, "how": r.choice(HOWS), "seconds": max(1, r.choice([0, 1, 2, 3, 4, 6, 8, 12]) * step + r.choice([0, 0, 1, 7]))}
    if w["how"] == "quantile":
        w["q"] = r.choice([0, 0.1, 0.25, 0.5, 0.9, 0.99, 1])
    return {"window": w}


def random_series(r, count):
    """Numbers of one kind or of all kinds, with runs of missing ones."""
    kinds = [lambda: r.randint(0, 9), lambda: r.choice([0.1, 0.2, 0.3, 0.7, 1 / 3]), lambda: r.uniform(-1, 1),
             lambda: 1e9 + r.randint(0, 30), lambda: r.choice([-1, 1]) * r.choice([1e308, 8.9e307, 1.7976931348623157e308]),
             lambda: r.choice([-1, 1]) * r.choice([5e-324, 1e-323, 2.225073858507201e-308, 2.2250738585072014e-308]),
             lambda: r.choice([0.0, -0.0]), lambda: math.ldexp(r.uniform(-1, 1), r.randint(-1074, 1023))]
    mixed, kind = r.random() < 0.3, r.choice(kinds[:4] * 3 + kinds[4:])
    out, gone = [], 0
    for _ in range(count):
        if not gone and r.random() < 0.12:
            gone = r.choice([1, 1, 2, 3, 6])
        out.append(None if gone else r.choice(kinds)() if mixed else kind())
        gone = max(0, gone - 1)
    return out


def random_vector(r, name):
    step = r.choice([10, 15, 30, 60])
    count = r.randint(6, 40)
    ticks = base.random_ticks(r, step, count, gaps=r.random() < 0.5, jitter=r.random() < 0.3)
    metrics = {m: random_series(r, count) for m in ("x", "y")}
    f = random_window(r, step)
    if r.random() < 0.4:
        shown = [v for v in values(f, Trace(ticks, metrics, step, 0)) if v is not None]
        bound = r.choice(shown) if shown else 5
        f = {"cmp": [f, r.choice(["<", "<=", ">", ">=", "==", "!="]), bound]}
        f = r.choice([f, {"not": f}, {"for": {"of": f, "seconds": 2 * step}}, {"and": [f, {"cmp": ["y", "<", 5]}]},
                      {"threshold": {"healthy": f, "tolerate": step}}, {"missing": f["cmp"][0]}])
    return vector(name, f, ticks, metrics, step, r.choice([0, step, 4 * step]), r.choice([0, 0, 0, 2 * step, 3 * step + 1]))


def dump(vectors, note):
    text = base.dump(base.document(vectors, note))
    return text.replace('"format": 1', '"format": 2', 1)


def same(p, q):
    """Numbers bit for bit."""
    return len(p) == len(q) and all(type(a) is not str and type(b) is not str and a is not None and b is not None
                                    and float(a) == float(b) or a == b for a, b in zip(p, q))


def main(argv):
    if argv[:1] == ["check"] and len(argv) == 2:
        doc = json.load(open(argv[1]))
        bad = [v["name"] for v in doc["vectors"] if not same(evaluate(v["formula"], trace_of(v)), v["expect"])]
        bad += [] if doc["format"] == 2 and doc["count"] == len(doc["vectors"]) else ["the head of the file"]
        print("%d vectors, %d differ%s" % (len(doc["vectors"]), len(bad), "".join("\n  " + b for b in bad)))
        return bool(bad)
    if argv[:1] == ["random"] and len(argv) == 3:
        r = random.Random(argv[1])
        made = []
        while len(made) < int(argv[2]):
            v = random_vector(r, "r%03d" % len(made))
            varied = len({x for x in v["expect"] if x is not None}) > 1
            if varied or r.random() < 0.1:      # constant answers teach little
                made.append(v)
        sys.stdout.write(dump(made, "random vectors of values over time"))
        return 0
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
