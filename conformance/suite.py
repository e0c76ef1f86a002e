"""The Autobahn|Testsuite as processes: starts wstest, knows its cases, stops what was started."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

CACHE = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
PREFIX = os.environ.get("AUTOBAHN_PREFIX") or os.path.join(CACHE, "tidewire", "autobahn")
WSTEST = os.path.join(PREFIX, "bin", "wstest")
# Sections 1-7, 9, 10: 301; 12 and 13: 216. The suite has no 8 and no 11.
CASE_COUNT = 517
STARTED = []


def die(message):
    """The rig itself could not do its work, which is no verdict: exit status 2."""
    print(f"rig: {message}", file=sys.stderr)
    stop_all()
    sys.exit(2)


def ids(key):
    return tuple(int(part) for part in key.split("."))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(command, **kw):
    """A process in a session of its own, so that its children can be ended with it."""
    process = subprocess.Popen(command, start_new_session=True, **kw)
    STARTED.append(process)
    return process


def stop(process):
    for sig in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        try:
            os.killpg(process.pid, sig)
        except ProcessLookupError:
            pass
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            pass


def stop_all(*_):
    for process in STARTED:
        if process.poll() is None:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def on_signal(*_):
    stop_all()
    os._exit(2)


def wstest(mode, spec, folder):
    folder.mkdir(parents=True, exist_ok=True)
    whole = {"outdir": "./out", "exclude-cases": [], "exclude-agent-cases": {}, **spec}
    (folder / "spec.json").write_text(json.dumps(whole))
    with open(folder / "wstest.log", "w") as log:
        command = [WSTEST, "-m", mode, "-s", "spec.json", "-u", "0"]
        return start(command, cwd=folder, stdout=log, stderr=log)


def wait_port(port, process, limit=20):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if process.poll() is not None:
            return False
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            time.sleep(0.05)
    return False


def every_case():
    """The suite's own list of case ids, checked against how many there must be."""
    if not os.access(WSTEST, os.X_OK):
        die(f"no {WSTEST}: run conformance/setup.sh first (AUTOBAHN_PREFIX names another prefix)")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="autobahn-list-"))
    try:
        port = free_port()
        process = wstest("fuzzingserver", {"url": f"ws://127.0.0.1:{port}", "cases": ["*"]}, folder)
        ok = wait_port(port, process)
        stop(process)
        text = (folder / "wstest.log").read_text(errors="replace")
        found = re.search(r"^Cases = \[(.*)\]$", text, re.M)
        if not ok or not found:
            die("wstest does not run:\n" + text[-2000:])
        cases = sorted(set(re.findall(r"[\d.]+", found[1])), key=ids)
        if len(cases) != CASE_COUNT:
            die(f"the suite has {len(cases)} cases where {CASE_COUNT} are known")
        return cases
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def chosen(text, every):
    """The ids that words such as 5, 1-7, 12.1, 12.1.*, 9.3.2 or * name."""
    out = set()
    for word in re.split(r"[,\s]+", text.strip()):
        if not word:
            continue
        span = re.fullmatch(r"(\d+)-(\d+)", word)
        if span:
            hit = {c for c in every if int(span[1]) <= ids(c)[0] <= int(span[2])}
        else:
            stem = word.rstrip("*").rstrip(".")
            hit = {c for c in every if not stem or c == stem or c.startswith(stem + ".")}
        if not hit:
            die(f"no case matches {word!r}")
        out |= hit
    return sorted(out, key=ids)
