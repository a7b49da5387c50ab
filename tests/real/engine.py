"""One llama-server with a tiny model, as itself: its slots, counters and log are looked at, too.

    with Engine(program, folder, model) as engine: …"""

import json
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import process

READY_S = 60
POLL_S = 0.002
TOKENS = 4096  # of all slots together


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Engine:
    def __init__(self, program, folder, model, slots=2, tokens=TOKENS, port=None, unix=None, wait=True, options=()):
        self.port = port or free_port()
        self.unix = unix
        self.log_file = Path(folder) / f"engine-{self.port}.log"
        address = ["--host", unix] if unix else ["--host", "127.0.0.1", "--port", self.port]
        # One thread: more of them spin while they wait for each other.
        argv = [program, "--model", model, *address, "--parallel", slots, "--ctx-size", tokens, "--threads", 1,
                "--threads-batch", 1, "--metrics", "--slots", "--log-colors", "off", *options]
        with open(self.log_file, "ab") as log:
            self.process = process.start(argv, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if wait:
            self.wait_ready()

    @property
    def url(self):
        return f"unix:{self.unix}" if self.unix else f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def log(self):
        return self.log_file.read_text(errors="replace")

    # ---- what it says of itself

    def get(self, path):
        """(status, body); None where nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return None

    def wait_health(self, status):
        """The first answer of /health that has this status; others pass by."""
        deadline = time.monotonic() + READY_S
        while (said := self.get("/health")) is None or said[0] != status:
            assert self.process.poll() is None, f"the engine ended:\n{self.log()[-3000:]}"
            assert time.monotonic() < deadline, f"/health does not say {status}, but {said}"
            time.sleep(POLL_S)

    def wait_ready(self):
        if not self.unix:
            self.wait_health(200)
            return

        def listens():
            """the engine on its socket"""
            assert self.process.poll() is None, self.log()[-3000:]
            return "listening on" in self.log()
        process.wait_until(listens, READY_S)

    def busy(self):
        """How many slots are at work."""
        return sum(1 for slot in json.loads(self.get("/slots")[1]) if slot["is_processing"])

    def wait_busy(self, wanted):
        deadline = time.monotonic() + 15
        while self.busy() != wanted:
            assert time.monotonic() < deadline, f"never {wanted} slots at work"
            time.sleep(POLL_S)

    def counter(self, name):
        return float(re.search(rf"^llamacpp:{name} (\S+)$", self.get("/metrics")[1], re.M).group(1))

    def most_at_once(self):
        """Of requests, by the order in which its log tells of their beginnings and ends."""
        now = most = 0
        for line in self.log().splitlines():
            if "processing task" in line and "stop processing" not in line:
                now += 1
                most = max(most, now)
            elif "stop processing" in line:
                now -= 1
        return most

    def connections(self):
        """Local ports of those who are connected to it."""
        ports = set()
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            local, remote, state = line.split()[1:4]
            if remote == f"0100007F:{self.port:04X}" and state == "01":
                ports.add(int(local.split(":")[1], 16))
        return ports
