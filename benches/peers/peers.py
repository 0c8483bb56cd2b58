"""A month's replay beside `promtool test rules` and pandas: compares when each rule fires, alert by alert, then how long each takes.

    peers.py FOLDER     (benches/peers/run calls it: FOLDER holds what `cargo bench --bench sim -- --write FOLDER` has written)

The stretches in which an alert fires come from canary's JSON. promtool is asked to confirm each of them: that the alert does not
fire one check before, that it fires at its first check and at its last one, and that it does not behind it. Its time is that of
another run, which asks one question alone, at the last check.
"""

import json
import os
import pty
import resource
import subprocess
import sys
import time

import pandas as pd

HERE = os.path.dirname(os.path.abspath(__file__))
POLICY = os.path.join(HERE, "..", "sim", "month.canary")
STEP = 15_000
ROUNDS = 9


def used():
    """The CPU time of all processes that were started and are over."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def run(rounds, *command):
    """The least and the median wall time of whole processes with their least CPU time, and what the last one has printed."""
    took, cpu, out = [], [], b""
    for _ in range(rounds):
        begin, before = time.perf_counter(), used()
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        took.append(time.perf_counter() - begin)
        cpu.append(used() - before)
        out = done.stdout
        if done.returncode not in (0, 1):
            sys.exit(f"{command[0]} ended with {done.returncode}: {done.stderr.decode()[-2000:]}")
    took.sort()
    return (took[0], took[len(took) // 2], min(cpu)), out, done


def ours(canary, recording):
    """When each guard was breached, up to the check that takes back."""
    _, out, _ = run(1, canary, "sim", POLICY, "--recording", recording, "--format", "json")
    outcome = json.loads(out)["outcome"]
    stretches = {}
    for decision in outcome["decisions"]:
        record = decision["record"]
        if record["kind"] != "guard":
            continue
        mine = stretches.setdefault(record["report"]["guard"], [])
        if mine and mine[-1][1] is None:
            mine[-1][1] = decision["at"]
        if record["report"]["word"] == "breached":
            mine.append([decision["at"], None])
    return outcome["start"], outcome["end"], outcome["verdict"], stretches


def backtest(canary, recording):
    """The 168 starts of a week, as a person sees it: on a terminal, where a bar tells how far it is."""
    policy = os.path.join(HERE, "..", "..", "policies", "checkout.canary")
    terminal, theirs = pty.openpty()
    begin = time.perf_counter()
    command = [canary, "sim", policy, "--recording", recording, "--backtest", "every 1h"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs) as child:
        os.close(theirs)
        seen = b""
        while True:
            try:
                more = os.read(terminal, 4096)
            except OSError:
                # Linux says so where the other side is gone
                break
            if not more:
                break
            seen += more
        status = child.wait()
    took = time.perf_counter() - begin
    os.close(terminal)
    if status != 0 or b"of 168 rollouts" not in seen:
        sys.exit(f"backtest: status {status}, and on the terminal: {seen[-300:]!r}")
    print(f"backtest of a week on a terminal, with its bar: {took:.2f} s, {seen.count(b'[')} steps of the bar")


def series(recording):
    frame = pd.read_parquet(recording, columns=["metric", "value"])
    return {metric: rows["value"] for metric, rows in frame.groupby("metric", sort=True)}


def write_test(file, values, questions):
    """A file for promtool. Numbers are written as they are: `repr` of a double reads back as the same double."""
    rules = os.path.join(HERE, "alerts.yml")
    with open(file, "w", encoding="ascii") as f:
        f.write(f"rule_files: [{json.dumps(rules)}]\nevaluation_interval: 15s\ntests:\n  - interval: 15s\n    input_series:\n")
        for metric, text in values.items():
            f.write(f"      - {{ series: {metric}, values: '{text}' }}\n")
        f.write("    alert_rule_test:\n")
        for at, rule, fires in questions:
            expected = "[{}]" if fires else "[]"
            f.write(f"      - {{ eval_time: {at // 1000}s, alertname: {rule}, exp_alerts: {expected} }}\n")


def main():
    folder = sys.argv[1]
    recording = os.path.join(folder, "month.parquet")
    with open(os.path.join(folder, "ours.json"), encoding="utf-8") as f:
        canary = json.load(f)["binary"]
    start, end, verdict, stretches = ours(canary, recording)
    checks = (end - start) // STEP + 1
    fired = sum(map(len, stretches.values()))
    print(f"canary: {checks:,} checks, 8 rules, {fired:,} alerts; {verdict} at check {checks:,}")
    if fired < 100 or verdict != "rolled_back":
        sys.exit("too few alerts to compare anything")

    _, out, done = run(1, sys.executable, os.path.join(HERE, "with_pandas.py"), recording)
    if done.returncode != 0:
        sys.exit(f"pandas: {done.stderr.decode()[-2000:]}")
    theirs = json.loads(out)
    for rule, mine in stretches.items():
        # the recording goes on behind the rollback, and the rollout does not
        other = [[on, off if off is not None and off <= end else None] for on, off in theirs["stretches"][rule] if on <= end]
        if mine != other:
            different = next((a, b) for a, b in zip(mine + [None], other + [None]) if a != b)
            sys.exit(f"pandas: {rule}: canary says {different[0]}, pandas {different[1]}")
    print(f"pandas: the same {fired:,} alerts, from the same check to the same check")

    questions = []
    for rule, alerts in stretches.items():
        quiet_since = -1
        for on, off in alerts:
            on = on - start
            if on - STEP > quiet_since and on >= STEP:
                questions.append((on - STEP, rule, False))
            questions.append((on, rule, True))
            if off is not None:
                questions.append((off - start - STEP, rule, True))
                questions.append((off - start, rule, False))
                quiet_since = off - start
    values = {metric: " ".join(map(repr, rows.tolist())) for metric, rows in series(recording).items()}
    file = os.path.join(folder, "month_test.yml")
    write_test(file, values, sorted(set(questions)))
    _, out, done = run(1, "promtool", "test", "rules", file)
    if done.returncode != 0:
        sys.exit(f"promtool: another verdict: {(out + done.stderr).decode()[:2000]}")
    # a test that cannot fail would say the same of anything
    wrong = [(at, rule, fires != (i == len(questions) // 2)) for i, (at, rule, fires) in enumerate(sorted(set(questions)))]
    write_test(file, values, wrong)
    if run(1, "promtool", "test", "rules", file)[2].returncode == 0:
        sys.exit("promtool: one answer was turned round, and it has not noticed")
    print(f"promtool: the same {fired:,} alerts, asked {len(set(questions)):,} times, before, at, and behind them")

    last = [((checks - 1) * STEP, "r7", True)]
    write_test(file, values, last)
    promtool, _, _ = run(2, "promtool", "test", "rules", file)
    empty = os.path.join(folder, "empty_test.yml")
    write_test(empty, values, [(0, "r7", False)])
    loading, _, _ = run(2, "promtool", "test", "rules", empty)
    script = [sys.executable, os.path.join(HERE, "with_pandas.py"), recording]
    pandas, _, _ = run(ROUNDS, *script)
    inside = min(json.loads(run(1, *script)[1])["seconds"] for _ in range(5))
    mine, _, _ = run(ROUNDS, canary, "sim", POLICY, "--recording", recording)
    backtest(canary, os.path.join(folder, "week.parquet"))

    print("\n| by | least s | median s | CPU s | checks/s | by canary's |\n|---|---|---|---|---|---|")
    for who, (least, median, cpu) in (
        ("canary sim, whole process, from the file to the answer", mine),
        ("promtool test rules, whole process", promtool),
        ("promtool, without reading its file", tuple(a - b for a, b in zip(promtool, loading))),
        ("pandas, whole process", pandas),
        ("pandas, without its imports", (inside, inside, inside)),
    ):
        print(f"| {who} | {least:.3f} | {median:.3f} | {cpu:.3f} | {checks / least:,.0f} | {least / mine[0]:.1f} × |")


if __name__ == "__main__":
    main()
