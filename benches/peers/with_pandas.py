"""The rules of benches/sim/month.canary as a script would ask them of a recording with pandas.   with_pandas.py RECORDING

Writes JSON: of each rule the stretches, from and to in ms, in which its alert fires; and how long that took, without the imports.
"""

import json
import sys
import time

import pandas as pd

begin = time.perf_counter()
frame = pd.read_parquet(sys.argv[1], columns=["time", "metric", "value"])
m = frame.pivot(index="time", columns="metric", values="value")
checks = m.index.to_series()

BAD = {
    "r0": (m["m0"] >= 5, "2min30s"),
    "r1": ((m["m1"] >= 5) | (m["m2"] >= 7), "5min"),
    "r2": (m["m3"] > 8, "1min15s"),
    "r3": (m["m4"] >= 5, "0s"),
    "r4": ((m["m5"] <= 2) & (m["m6"] >= 3), "30s"),
    "r5": ((m["m7"] >= 5) | (m["m8"] >= 5), "3min"),
    "r6": (m["m1"] + m["m2"] >= 12, "2min"),
    "r7": (m["m9"] >= 20, "5min"),
}


def millis(times):
    return [int(t.timestamp() * 1000) for t in times]


stretches = {}
for rule, (bad, tolerated) in BAD.items():
    begins = bad & ~bad.shift(fill_value=False)
    since = checks.where(begins).ffill()
    fires = bad & (checks - since >= pd.Timedelta(tolerated))
    edges = fires.astype("int8").diff().fillna(fires.astype("int8"))
    on, off = millis(checks[edges == 1]), millis(checks[edges == -1])
    stretches[rule] = list(zip(on, off + [None] * (len(on) - len(off))))

took = time.perf_counter() - begin
json.dump({"seconds": took, "checks": len(m), "stretches": stretches}, sys.stdout)
