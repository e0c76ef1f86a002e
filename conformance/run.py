#!/usr/bin/env python3
"""Judges a WebSocket endpoint with the Autobahn|Testsuite; see README.md.

The cases are dealt out over many short wstest runs, some of them at a time, so that a case that
hangs or crashes costs its own run only. What was lost that way is run once more on its own; a case
without a report after that has failed.
"""
import argparse
import base64
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse

import suite
import verdict

RUN_S = 1500  # one wstest run
STILL_S = 520  # a wstest log that stands still; 9.x alone may take minutes on a slow machine
NOTES = collections.Counter()  # how the client command ended, where that was not well
SLOW = re.compile(r"^(9|12|13)\.")


def deal(cases):
    """Interleaved hands, so that every run gets its share of the slow ones; long runs first."""
    slow = [c for c in cases if SLOW.match(c)]
    fast = [c for c in cases if not SLOW.match(c)]
    hands = []
    for part, size in ((slow, 9), (fast, 30)):
        count = -(-len(part) // size)
        hands += [part[i::count] for i in range(count)]
    return hands


def watch(process, log, limit):
    """Waits for process; gives up at limit, or once the log stands still (sooner after a traceback)."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        try:
            process.wait(1)
            return
        except subprocess.TimeoutExpired:
            pass
        still = time.time() - log.stat().st_mtime
        if still > STILL_S or (still > 20 and "Traceback" in log.read_text(errors="replace")):
            return


class Server:
    """A running echo server at a URL is judged by the suite's fuzzing client."""

    def __init__(self, args):
        self.url = args.target

    def alive(self):
        where = urllib.parse.urlsplit(self.url)
        port = where.port or (443 if where.scheme == "wss" else 80)
        try:
            socket.create_connection((where.hostname, port), 5).close()
            return True
        except OSError:
            return False

    def run(self, cases, folder):
        spec = {"servers": [{"agent": "testee", "url": self.url}], "cases": cases}
        process = suite.wstest("fuzzingclient", spec, folder)
        watch(process, folder / "wstest.log", RUN_S)
        suite.stop(process)


class Client:
    """A command that connects to the suite's fuzzing server is judged by that server."""

    def __init__(self, args):
        self.command, self.tls = args.target, args.tls
        if "{url}" not in self.command:
            suite.die("the command does not name {url}")

    def alive(self):
        return True

    def run(self, cases, folder):
        port = suite.free_port()
        url = f"{'wss' if self.tls else 'ws'}://127.0.0.1:{port}"
        spec = {"url": url, "cases": cases}
        if self.tls:
            spec["cert"], spec["key"] = (os.path.abspath(path) for path in self.tls)
        process = suite.wstest("fuzzingserver", spec, folder)
        try:
            if suite.wait_port(port, process):
                self.play(url, port, folder)
        finally:
            suite.stop(process)

    def play(self, url, port, folder):
        with open(folder / "client.log", "w") as log:
            line = self.command.replace("{url}", shlex.quote(url))
            kid = suite.start(["bash", "-c", line], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            watch(kid, folder / "wstest.log", RUN_S)
            if kid.poll() is None:
                NOTES["was stopped: it stood still or ran too long"] += 1
            elif kid.returncode:
                NOTES[f"ended with status {kid.returncode}"] += 1
            suite.stop(kid)
        # The reports are written when a client asks for them; ours may have died before that.
        index = folder / "out" / "index.json"
        text = (folder / "wstest.log").read_text(errors="replace")
        agents = sorted(set(re.findall(r"Running test case ID \S+ for agent (.+?) from peer", text)))
        if index.exists() or not agents:
            return
        for agent in agents:
            self.visit(port, "/updateReports?agent=" + urllib.parse.quote(agent, safe=""))
        end = time.monotonic() + 20
        while not index.exists() and time.monotonic() < end:
            time.sleep(0.2)

    def visit(self, port, path, limit=30):
        """Opens a WebSocket on path and waits until the peer is done with it."""
        key = base64.b64encode(os.urandom(16)).decode()
        try:
            with socket.create_connection(("127.0.0.1", port), limit) as s:
                if self.tls:
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                    s = context.wrap_socket(s)
                s.settimeout(limit)
                s.sendall(
                    f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
                    f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
                )
                got = b""
                while more := s.recv(65536):
                    got += more
                    _, sep, rest = got.partition(b"\r\n\r\n")
                    if sep and rest[:1] == b"\x88":  # answer its Close with ours
                        s.sendall(b"\x88\x80\0\0\0\0")
        except OSError as error:
            NOTES[f"left no reports, and asking the suite for them failed: {error}"] += 1


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("role", choices=("server", "client"), help="what the testee is")
    parser.add_argument("target", help="the server's URL; or the client's command with {url}")
    parser.add_argument("--cases", default="*", help="such as 1-7,9,10 or 12.1 or 9.3.2 (all by default)")
    parser.add_argument("--exclude", default="", help="cases to leave out")
    parser.add_argument("--jobs", type=int, default=2, help="wstest runs at a time (2)")
    parser.add_argument("--out", help="folder for the reports (a new one in the temporary folder)")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), help="the client connects by wss://")
    return parser.parse_args()


def main():
    signal.signal(signal.SIGTERM, suite.on_signal)
    signal.signal(signal.SIGINT, suite.on_signal)
    args = arguments()
    testee = Server(args) if args.role == "server" else Client(args)
    every = suite.every_case()
    left_out = suite.chosen(args.exclude, every)
    cases = [c for c in suite.chosen(args.cases, every) if c not in left_out]
    if not cases:
        suite.die("no case is left")
    if not testee.alive():
        suite.die(f"nothing listens at {args.target}")
    folder = pathlib.Path(args.out or tempfile.mkdtemp(prefix=f"autobahn-{args.role}-")).resolve()
    for old in folder.glob("run[0-9]*"):
        shutil.rmtree(old)
    folder.mkdir(parents=True, exist_ok=True)

    began = time.monotonic()
    hands = deal(cases)
    for attempt in (0, 1):
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            runs = [pool.submit(testee.run, hand, folder / f"run{attempt}{n:03}") for n, hand in enumerate(hands)]
            for done in runs:
                done.result()
        got = verdict.gather(folder)
        lost = [c for c in cases if c not in got]
        if not lost or not got or not testee.alive():
            break
        # A run that broke took its other cases with it: those once more, each on its own.
        NOTES[f"cost {len(lost)} cases their first run: {verdict.spans(lost)}"] += 1
        hands = [[c] for c in lost]

    rows = verdict.judge(cases, got)
    (folder / "summary.json").write_text(json.dumps({"role": args.role, "cases": rows}, indent=1))
    for note, times in NOTES.items():
        print(f"note: the testee {note} ({times} time{'s' * (times > 1)})")
    if not testee.alive():
        print(f"note: {args.target} no longer answers")
    print(f"reports: {folder}")
    sys.exit(1 if verdict.show(rows, time.monotonic() - began) else 0)


if __name__ == "__main__":
    main()
