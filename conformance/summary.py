#!/usr/bin/env python3
"""Writes one page about several runs of run.py.

    summary.py SUMMARY.md 'server, TCP=FOLDER' 'client, TLS=FOLDER' ...
"""
import collections
import json
import pathlib
import sys

from suite import ids
from verdict import ORDER, spans


def page(runs):
    yield "# Autobahn|Testsuite: the verdict\n"
    yield "Written by `cargo xtask conformance --all`. Strict: see README.md.\n"
    yield "| testee | section | " + " | ".join(kind.lower() for kind in ORDER) + " | bad close |"
    yield "|---|---|" + "---:|" * (len(ORDER) + 1)
    for label, cases in runs.items():
        for section in sorted({ids(case)[0] for case in cases}):
            rows = [row for case, row in cases.items() if ids(case)[0] == section]
            tally = collections.Counter(row["behavior"] for row in rows)
            bad = sum(row["close"] not in ("", "OK", "INFORMATIONAL") for row in rows)
            counts = " | ".join(str(tally[kind]) for kind in ORDER)
            yield f"| {label} | {section} | {counts} | {bad} |"
    for label, cases in runs.items():
        informational = [case for case, row in cases.items() if row["behavior"] == "INFORMATIONAL"]
        if informational:
            yield f"\nInformational ({label}): {spans(informational)}."
        for case, row in cases.items():
            if not row["passed"]:
                yield f"\nFailed ({label}): {case}, {row['behavior']}, close {row['close'] or 'none'}: {row['why']}"
    every = [row for cases in runs.values() for row in cases.values()]
    failed = sum(not row["passed"] for row in every)
    yield f"\n{len(every) - failed} passed, {failed} failed"


def main():
    runs = {}
    for word in sys.argv[2:]:
        label, _, folder = word.partition("=")
        runs[label] = json.loads((pathlib.Path(folder) / "summary.json").read_text())["cases"]
    text = "\n".join(page(runs))
    pathlib.Path(sys.argv[1]).write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
