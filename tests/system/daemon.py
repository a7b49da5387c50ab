"""An optimaxd of the build tree under test, with a configuration and a scratch folder of its own."""

import json
import mmap
import os
import re
import signal
import socket
import struct
import subprocess
from pathlib import Path

import process
import yaml_text
from build_tree import BUILD
from client import Client, RpcError

# What a sanitizer writes when it has found something; a signal that a test sent is none.
SANITIZER = re.compile(r"(ERROR: (Address|Leak)Sanitizer: (?!SEGV|ABRT|BUS).*|.*: runtime error: .*)")
READY_S = 20


def is_sanitized():
    """Whether the build has a sanitizer: no tracing, no limits on address space."""
    return "#define OPTIMAX_SANITIZED" in (BUILD / "config.h").read_text()


def program(name):
    path = BUILD / name
    if not os.access(path, os.X_OK):
        raise FileNotFoundError(f"{path} is not built; set top_builddir to the build folder")
    return path


def merge(base, changes):
    """base with changes over it; maps are merged, all else is replaced."""
    merged = dict(base)
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            value = merge(merged[key], value)
        merged[key] = value
    return merged


class TestClock:
    """The time that the daemon adds to the real one (common/clock.h)."""

    __test__ = False

    def __init__(self, path):
        path.write_bytes(struct.pack("<q", 0))
        path.chmod(0o644)
        with open(path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), 8)

    def advance(self, seconds):
        now_ms, = struct.unpack("<q", self.page[:8])
        self.page[:8] = struct.pack("<q", now_ms + int(seconds * 1000))


class Daemon:
    """Started by start() or by the fixture `daemon`; its parts are killed by pid, never by name."""

    count = 0

    def __init__(self, databases=(), config=None, environment=None):
        Daemon.count += 1
        self.instance = f"test-{os.getpid()}-{Daemon.count}"
        self.scratch = process.new_scratch("d")
        self.runtime = self.scratch / "run"
        self.runtime.mkdir()
        process.own(self.runtime)
        self.socket = self.runtime / "optimax.sock"
        self.control = self.runtime / "control.sock"
        self.config_file = self.scratch / "optimax.yaml"
        self.log_file = self.scratch / "log"
        self.clock = TestClock(self.scratch / "clock")
        self.environment = environment or {}
        self.databases = list(databases)
        self.config = {}
        self.process = None
        self.clients = []
        self.notifications = []  # what sd_notify sent, in order
        self.notify = self._open_notify()
        self.configure(config or {})

    # ---- its life

    def configure(self, changes):
        """Writes the configuration; a running daemon sees it after reload."""
        base = {"instance": self.instance, "runtime_dir": self.runtime,
                "state_dir": self.scratch / "state", "cache": {"size": "16MiB"},
                "log": {"level": "debug", "target": "stderr"}, "databases": self.databases}
        self.config = merge(merge(base, self.config), changes)
        self.write_config(yaml_text.dump(self.config) + "\n")

    def write_config(self, text):
        self.config_file.write_text(text)
        self.config_file.chmod(0o644)

    def env(self):
        """For every program of the build tree, optimaxd and optimaxctl alike."""
        return {**os.environ, "OPTIMAX_LIBEXEC": str(BUILD), "NOTIFY_SOCKET": str(self.scratch / "notify"),
                "OPTIMAX_TEST_CLOCK": str(self.scratch / "clock"), **self.environment}

    def start(self, wait=True, wrapper=()):
        """Starts optimaxd, through a tracer where given; returns when it has said READY=1."""
        self.notifications.clear()
        with open(self.log_file, "ab") as log:
            self.process = process.start([*wrapper, program("optimaxd"), "--config", self.config_file],
                                         cwd="/", env=self.env(), stdin=subprocess.DEVNULL,
                                         stdout=log, stderr=log)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=READY_S):
        def ready():
            """READY=1 from optimaxd"""
            if self.process.poll() is not None:
                raise AssertionError(f"optimaxd exited with {self.process.returncode}:\n{self.log()[-4000:]}")
            return "READY=1" in self.read_notifications()

        process.wait_until(ready, timeout)

    def stop(self, timeout=30):
        """SIGTERM; returns the exit status. Nothing where it is not running."""
        for client in self.clients:
            client.close()
        self.clients.clear()
        if not self.process:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

        def stopped():
            """the end of optimaxd"""
            self.read_notifications()
            return self.process.poll() is not None

        try:
            process.wait_until(stopped, timeout)
        except AssertionError:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"optimaxd did not stop within {timeout} s:\n{self.log()[-4000:]}") from None
        return self.process.returncode

    def close(self):
        """Stops it and leaves nothing behind. Fails where a sanitizer complained."""
        try:
            self.stop()
            reports = SANITIZER.findall(self.log())
            assert not reports, f"sanitizer: {reports[0][0]}\n{self.log()[-8000:]}"
        finally:
            self.notify.close()
            for segment in [*self.segments(), Path(f"/dev/shm/optimax-{self.instance}.lock")]:
                segment.unlink(missing_ok=True)
            process.remove_scratch(self.scratch)

    def segment(self, suffix=""):
        return Path(f"/dev/shm/optimax-{self.instance}{suffix}")

    def segments(self):
        return [path for suffix in ("", "-metrics") if os.path.lexists(path := self.segment(suffix))]

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def _open_notify(self):
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        path = self.scratch / "notify"
        notify.bind(str(path))
        path.chmod(0o777)
        return notify

    def read_notifications(self):
        """All lines that sd_notify has sent so far."""
        while True:
            try:
                data = self.notify.recv(1 << 16)
            except BlockingIOError:
                return self.notifications
            self.notifications += data.decode().splitlines()

    # ---- asking it

    def client(self, control=False, timeout=60.0):
        """A new connection, closed when the daemon is stopped by the test."""
        client = Client(self.control if control else self.socket, timeout)
        self.clients.append(client)
        return client

    def call(self, method, params=None, control=False):
        """One request on a connection of its own."""
        self.read_notifications()  # ten that nobody reads make sd_notify, and so optimaxd, wait
        with Client(self.control if control else self.socket, 60.0) as client:
            return client.call(method, params)

    def ask(self, question, **params):
        return self.call("ask", {"question": question, **params})

    def sql(self, sql, **params):
        return self.call("sql", {"sql": sql, **params})

    def error(self, method, params=None, control=False):
        """The RpcError that the request must give."""
        try:
            result = self.call(method, params, control)
        except RpcError as error:
            return error
        raise AssertionError(f"{method} {params} gave no error but {result}")

    def stats(self):
        return self.call("stats")

    def status(self):
        return self.call("status", control=True)

    def ctl(self, *words, stdin=None, timeout=60):
        """Runs optimaxctl on this daemon: a CompletedProcess with texts."""
        argv = [program("optimaxctl"), "-s", self.socket, "--control", self.control, *words]
        return process.run(argv, env=self.env(), input=stdin if stdin is not None else "", timeout=timeout)

    def ctl_json(self, *words, stdin=None):
        """optimaxctl --json, which must succeed: its lines, parsed; one line: that object."""
        done = self.ctl("--json", *words, stdin=stdin)
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return lines[0] if len(lines) == 1 else lines

    # ---- its processes

    def children(self, role=None, database=None):
        return [child for child in self.status()["children"]
                if role in (None, child["role"]) and database in (None, child.get("database"))]

    def pids(self, role, database=None):
        if role == "supervisor":
            return [self.process.pid]
        return [child["pid"] for child in self.children(role, database) if child["pid"] > 0]

    def kill(self, role, signum=signal.SIGKILL, index=0, database=None, timeout=READY_S):
        """Sends a signal to one living process of that role; returns its pid. status still names one
        that has died until the supervisor has heard of it, and then none until its successor is there."""
        def signalled():
            pids = self.pids(role, database)
            if index >= len(pids) or not process.is_alive(pids[index]):
                return None
            try:
                os.kill(pids[index], signum)
            except ProcessLookupError:
                return None
            return pids[index]

        signalled.__doc__ = f"a living {role} that can be sent a signal"
        return process.wait_until(signalled, timeout)

    def try_status(self):
        """status, or None while the router is away."""
        try:
            return self.status()
        except (OSError, EOFError):
            return None

    def wait_state(self, state="ready", database=None, database_state=None, timeout=READY_S):
        """Polls until the daemon (or one database of it) is in that state; returns the status."""
        def reached():
            status = self.try_status()
            if not status:
                return None
            if database:
                found = [one["state"] for one in status["databases"] if one["name"] == database]
                return status if found == [database_state or "ready"] else None
            return status if status["state"] == state else None

        reached.__doc__ = f"state {database_state or state} of {database or 'the daemon'}"
        return process.wait_until(reached, timeout)

    def wait_serving(self, timeout=READY_S):
        """Polls until everything is ready and the schema of every database is known."""
        def serving():
            """the daemon, its databases and their schemas"""
            status = self.try_status()
            if not status or status["state"] != "ready":
                return None
            if any(one["state"] != "ready" for one in status["databases"]):
                return None
            try:
                for one in status["databases"]:
                    self.call("schema", {"database": one["name"], "table": "none"})
            except RpcError as error:
                return status if error.code == "bad_request" else None  # it knows that there is no such table
            except (OSError, EOFError):
                return None
            return status

        return process.wait_until(serving, timeout)

    def wait_replaced(self, role, old_pid, timeout=READY_S):
        """Waits until that process is gone and all of its role are ready; returns their pids."""
        def replaced():
            status = self.try_status()
            if not status or process.is_alive(old_pid):
                return None
            mates = [child for child in status["children"] if child["role"] == role]
            ready = mates and all(child["state"] == "ready" for child in mates)
            pids = [child["pid"] for child in mates]
            return pids if ready and old_pid not in pids else None

        replaced.__doc__ = f"another {role} in place of {old_pid}"
        return process.wait_until(replaced, timeout)

    def kill_supervisor(self, timeout=READY_S):
        """kill -9 of optimaxd; returns when none of its children is left."""
        pids = [child["pid"] for child in self.children()]
        self.process.kill()
        self.process.wait()

        def gone():
            """the end of all children"""
            return not any(process.is_alive(pid) for pid in pids)

        process.wait_until(gone, timeout)

    def advance(self, seconds):
        self.clock.advance(seconds)
