"""The judge, judged: python3 -m unittest discover conformance"""
import contextlib
import io
import json
import pathlib
import tempfile
import unittest

import suite
import verdict


class Verdicts(unittest.TestCase):
    def test_what_passes(self):
        table = [
            # behaviour       close            passes
            ("OK",            "OK",            True),
            ("INFORMATIONAL", "INFORMATIONAL", True),
            ("OK",            "INFORMATIONAL", True),
            ("NON-STRICT",    "OK",            False),
            ("UNIMPLEMENTED", "OK",            False),
            ("FAILED",        "OK",            False),
            ("OK",            "UNCLEAN",       False),
            ("OK",            "WRONG CODE",    False),
            ("OK",            "FAILED BY CLIENT", False),
        ]
        for behavior, close, passes in table:
            got = {"1.1.1": {"behavior": behavior, "behaviorClose": close, "why": "", "whyClose": ""}}
            row = verdict.judge(["1.1.1"], got)["1.1.1"]
            self.assertEqual(row["passed"], passes, (behavior, close))

    def test_a_case_without_a_report_has_failed(self):
        rows = verdict.judge(["1.1.1"], {})
        self.assertEqual(rows["1.1.1"]["behavior"], "NOT RUN")
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            self.assertEqual(verdict.show(rows, 0), 1)
        self.assertIn("0 passed, 1 failed", shown.getvalue())

    def test_reports_are_found_and_one_cut_short_is_not(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            for run, text in (("run0", '{"testee": {"1.1.1": {"behavior": "OK", "reportfile": "r"}}}'),
                              ("run1", '{"testee": {"1.1.2": {"beha')):
                (folder / run / "out").mkdir(parents=True)
                (folder / run / "out" / "index.json").write_text(text)
            (folder / "run0" / "out" / "r").write_text(json.dumps({"result": "why"}))
            got = verdict.gather(folder)
            self.assertEqual(list(got), ["1.1.1"])
            self.assertEqual(got["1.1.1"]["why"], "why")


class Names(unittest.TestCase):
    EVERY = ["1.1.1", "1.1.2", "2.1", "10.1.1", "12.1.1"]

    def test_cases_are_chosen_by_section_range_and_stem(self):
        for words, wanted in (
            ("*", self.EVERY),
            ("1", ["1.1.1", "1.1.2"]),
            ("1-10", self.EVERY[:4]),
            ("1.1.2, 12.1.*", ["1.1.2", "12.1.1"]),
        ):
            self.assertEqual(suite.chosen(words, self.EVERY), wanted, words)

    def test_spans(self):
        self.assertEqual(verdict.spans(["1.1.1", "1.1.2", "1.1.4", "2.1"]), "1.1.1..2 1.1.4 2.1")


if __name__ == "__main__":
    unittest.main()
