"""reelay and rtamt on the traces that `cargo bench --bench engine -- --write DIR` has written, verdict by verdict.

    peers.py DIR

Each rule is a monitor of its own, as a guard is: every check gives each of them its values and takes its verdict. Times are those
of the process' own CPU, the least of some rounds. The first checks of a rule's window are compared apart: before there are as many
checks as the window takes, reelay and rtamt take what was not seen for good, and canary for not yet known to be good.
"""

import csv
import json
import os
import sys
import time

import reelay
import rtamt

HERE = os.path.dirname(os.path.abspath(__file__))
# rtamt goes through its whole window at every check: it gets the first checks alone
RTAMT_CHECKS = {"one": 20_000, "eight": 3_000}
ROUNDS = {"reelay": 5, "rtamt": 2}


def read(folder, case):
    with open(os.path.join(folder, case + ".csv"), encoding="ascii") as f:
        rows = list(csv.reader(f))
    names = rows[0]
    trace = [[float(x) for x in row] for row in rows[1:]]
    with open(os.path.join(folder, case + ".verdicts"), encoding="ascii") as f:
        verdicts = [[c == "1" for c in line.strip()] for line in f]
    return names, trace, verdicts


def timed(update, inputs):
    """Nothing is kept and nothing looked at: the verdicts are compared in a run of their own."""
    begin = time.process_time()
    for row in inputs:
        update(row)
    return time.process_time() - begin


def timed_all(updates, inputs):
    begin = time.process_time()
    for row in inputs:
        for update in updates:
            update(row)
    return time.process_time() - begin


def with_reelay(rules, names, trace, keep):
    monitors = [reelay.discrete_timed_monitor(pattern=r["reelay"], semantics="boolean", condense=False) for r in rules]
    inputs = [dict(zip(names, row)) for row in trace]
    updates = [m.update for m in monitors]
    if keep:
        return [[update(row)["value"] for update in updates] for row in inputs]
    return timed(updates[0], inputs) if len(updates) == 1 else timed_all(updates, inputs)


def with_rtamt(rules, names, trace, keep):
    updates, used = [], []
    for rule in rules:
        spec = rtamt.StlDiscreteTimeSpecification()
        mine = [n for n in names if n in rule["rtamt"].replace("(", " ").replace(")", " ").split()]
        for name in mine:
            spec.declare_var(name, "float")
        spec.declare_var("out", "float")
        spec.spec = "out = " + rule["rtamt"]
        spec.parse()
        updates.append(spec.update)
        used.append(mine)
    inputs = []
    for row in trace:
        values = dict(zip(names, row))
        inputs.append([[(name, values[name]) for name in mine] for mine in used])
    if keep:
        # a robustness: no value of the trace lies on a limit, so that it is never 0
        return [[update(i, mine) > 0 for update, mine in zip(updates, row)] for i, row in enumerate(inputs)]
    begin = time.process_time()
    for i, row in enumerate(inputs):
        for update, mine in zip(updates, row):
            update(i, mine)
    return time.process_time() - begin


def compare(who, case, rules, ours, theirs):
    """How many verdicts were compared, and in how many first ones of a window they differ; ends the run at any other."""
    compared = first = 0
    for i, (a, b) in enumerate(zip(ours, theirs)):
        for rule, (x, y) in enumerate(zip(a, b)):
            if i >= rules[rule]["window"]:
                compared += 1
                if x != y:
                    sys.exit(f"{case}: rule {rule} at check {i}: canary says {x}, {who} says {y}")
            elif x != y:
                first += 1
    return compared, first


def main():
    folder = sys.argv[1]
    with open(os.path.join(HERE, "rules.json"), encoding="utf-8") as f:
        all_rules = json.load(f)
    with open(os.path.join(folder, "ours.json"), encoding="utf-8") as f:
        figures = {(f["case"], f["what"]): f["ns"] for f in json.load(f)}
    lines = []
    for case, rules in all_rules.items():
        names, trace, ours = read(folder, case)
        changes = sum(x != y for a, b in zip(ours, ours[1:]) for x, y in zip(a, b))
        for who, run, checks in (
            ("reelay", with_reelay, len(trace)),
            ("rtamt", with_rtamt, RTAMT_CHECKS[case]),
        ):
            compared, first = compare(who, case, rules, ours, run(rules, names, trace[:checks], keep=True))
            print(f"{case}, {who}: {compared} verdicts are equal; of the first ones of a window {first} differ "
                  f"({changes} changes in the trace)")
            ns = min(run(rules, names, trace[:checks], keep=False) for _ in range(ROUNDS[who])) / checks * 1e9
            alone, step = figures[case, "conditions alone"], figures[case, "whole step"]
            lines.append(f"| {case} | {who} | {checks:,} | {ns:,.0f} | {1e9 / ns:,.0f} | {ns / alone:.1f} × | {ns / step:.1f} × |")
    print("\n| case | by | checks | ns a check | checks/s a core | canary's conditions alone | canary's whole step |")
    print("|---|---|---|---|---|---|---|")
    for case, what in figures:
        ns = figures[case, what]
        print(f"| {case} | canary, {what} | | {ns:,.1f} | {1e9 / ns:,.0f} | | |")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
