"""What the suite's reports say, judged strictly: OK or informational is a pass, all else fails."""
import collections
import json

from suite import ids

PASS = ("OK", "INFORMATIONAL")
ORDER = ["OK", "INFORMATIONAL", "NON-STRICT", "UNIMPLEMENTED", "FAILED", "NOT RUN"]


def gather(folder):
    """case id -> the suite's result, over all runs below folder"""
    got = {}
    for index in sorted(folder.glob("*/out/index.json")):
        try:
            agents = json.loads(index.read_text())
        except ValueError:
            continue  # cut short with its run; its cases count as not run
        for agent in agents.values():
            for case, result in agent.items():
                try:
                    report = index.parent / result["reportfile"]
                    detail = json.loads(report.read_text(errors="replace"))
                except (OSError, ValueError, KeyError):
                    detail = {}
                result["why"] = detail.get("result", "")
                result["whyClose"] = detail.get("resultClose", "")
                got[case] = result
    return got


def spans(names):
    """12.1.1 12.1.2 12.1.3 -> 12.1.1..3"""
    out, last = [], None
    for name in sorted(names, key=ids):
        one = ids(name)
        if last and one[:-1] == last[:-1] and one[-1] == last[-1] + 1:
            out[-1][1] = one[-1]
        else:
            out.append([name, one[-1]])
        last = one
    return " ".join(n if ids(n)[-1] == end else f"{n}..{end}" for n, end in out)


def judge(cases, got):
    """One row for each case asked for: what it is, whether that passes, and why not."""
    rows = {}
    for case in cases:
        result = got.get(case)
        if result is None:
            rows[case] = {"behavior": "NOT RUN", "close": "", "passed": False,
                          "why": "no report: the testee or the run died before it"}
            continue
        behavior, close = result["behavior"], result["behaviorClose"]
        well, closed_well = behavior in PASS, close in PASS
        rows[case] = {"behavior": behavior, "close": close, "passed": well and closed_well,
                      "why": result["whyClose"] if well else result["why"]}
    return rows


def show(rows, seconds):
    """Prints the failures, the informational cases and the closing line; returns how many failed."""
    failed = {case: row for case, row in rows.items() if not row["passed"]}
    grouped = collections.defaultdict(list)
    for case, row in failed.items():
        why = " ".join(str(row["why"]).split())[:160]
        grouped[row["behavior"], row["close"], why].append(case)
    for (behavior, close, why), names in grouped.items():
        print(f"FAIL [{behavior}{' / close ' + close if close else ''}] {why}\n     {spans(names)}")
    informational = [case for case, row in rows.items() if row["behavior"] == "INFORMATIONAL"]
    if informational:
        print(f"informational: {spans(informational)}")
    tally = collections.Counter(row["behavior"] for row in rows.values())
    closes = collections.Counter(row["close"] for row in failed.values() if row["close"] not in ("", *PASS))
    parts = [f"{kind} {tally[kind]}" for kind in ORDER]
    parts += [f"{kind} {count}" for kind, count in sorted(tally.items()) if kind not in ORDER]
    parts += [f"bad close: {kind} {count}" for kind, count in sorted(closes.items())]
    print(f"{len(rows) - len(failed)} passed, {len(failed)} failed ({', '.join(parts)}; {seconds:.0f} s)")
    return len(failed)
