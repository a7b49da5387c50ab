"""The harness itself: what the other tests rely on without saying so."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import msgpack
import pytest

import daemon as daemon_module
import process
import yaml_text
from client import Client, RpcError

ORPHAN = """
import sys, time
sys.path.insert(0, {here!r})
from cluster import Cluster
cluster = Cluster()
print(cluster.postgres.pid, cluster.scratch, flush=True)
time.sleep(600)
"""


def test_a_cluster_dies_with_the_tests():
    here = str(Path(__file__).parent)
    tests = subprocess.Popen([sys.executable, "-B", "-c", ORPHAN.format(here=here)],
                             stdout=subprocess.PIPE, text=True)
    try:
        pid, scratch = tests.stdout.readline().split()
        assert process.is_alive(int(pid))
    finally:
        tests.kill()
        tests.wait()
    try:
        process.wait_until(lambda: not process.is_alive(int(pid)))
    finally:
        process.remove_scratch(scratch)


def test_nothing_runs_as_root(cluster):
    uid = int(Path(f"/proc/{cluster.postgres.pid}/status").read_text().split("Uid:")[1].split()[0])
    assert uid != 0


def test_a_stopped_cluster_comes_back(cluster):
    cluster.stop(signal.SIGQUIT)
    with pytest.raises(RuntimeError):
        cluster.psql("SELECT 1")
    cluster.start()
    assert cluster.psql("SELECT 1") == [["1"]]


def test_a_database_of_ones_own(cluster, database):
    cluster.psql("DELETE FROM reviews", database)
    assert cluster.psql("SELECT count(*) FROM reviews", database) == [["0"]]
    assert cluster.psql("SELECT count(*) > 0 FROM reviews") == [["t"]]


@pytest.fixture
def server(tmp_path):
    """Serves one connection: answers with the bytes that the test gives."""
    path = tmp_path / "s"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(1)
    threads = []

    def serve(*messages):
        def answer():
            connection, _ = listener.accept()
            connection.recv(1 << 16)
            for message in messages:
                for byte in msgpack.packb(message):  # a client must bear any split
                    connection.send(bytes([byte]))
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):  # what the client still sends must not fail
                pass
            connection.close()

        threads.append(threading.Thread(target=answer))
        threads[-1].start()
        return path

    yield serve
    for thread in threads:
        thread.join(10)
    listener.close()


def test_replies_in_any_order(server):
    with Client(server([2, "delta", [2, 0, {"rows": [[1]]}]], [1, 2, None, {"n": 2}], [1, 1, None, {"n": 1}])) as client:
        client.send("ping", msgid=1)
        client.msgids = iter([2])
        assert client.call("ping") == {"n": 2}
        assert client.wait(1) == {"n": 1}
        assert client.notifications == [("delta", [2, 0, {"rows": [[1]]}])]
        with pytest.raises(EOFError):
            client.receive()


def test_an_error_is_raised(server):
    error = {"code": "overloaded", "message": "too many", "retryable": True, "retry_after_ms": 50}
    with Client(server([1, 1, error, None])) as client:
        with pytest.raises(RpcError) as raised:
            client.ask("How many?")
        assert (raised.value.code, raised.value.retry_after_ms) == ("overloaded", 50)


CONFIGURATIONS = [
    ({"instance": "main", "cache": {"size": "16MiB", "ttl": {"sql": "30m"}}},
     "instance: main\ncache:\n  size: 16MiB\n  ttl:\n    sql: 30m"),
    ({"listen": {"socket_mode": "0660", "socket_group": None}},
     'listen:\n  socket_mode: "0660"\n  socket_group: null'),
    ({"routing": {"min_confidence": 0.5, "keywords": {"sql": ["kpi", "on"], "chat": []}, "patterns": [
        {"route": "sql", "regex": r"\bkpi\b", "weight": 2.0}]}},
     'routing:\n  min_confidence: 0.5\n  keywords:\n    sql: [kpi, "on"]\n    chat: []\n  patterns:\n'
     '    - route: sql\n      regex: "\\\\bkpi\\\\b"\n      weight: 2.0'),
    ({"databases": [{"name": "shop", "dsn": "host=/tmp/x dbname=shop", "limits": {"rows": 5}}, {"name": "b"}]},
     "databases:\n  - name: shop\n    dsn: host=/tmp/x dbname=shop\n    limits:\n      rows: 5\n  - name: b"),
    ({"databases": []}, "databases: []"),
    ({"share_values": False, "name": 'a "b": #c'}, 'share_values: false\nname: "a \\"b\\": #c"'),
]


@pytest.mark.parametrize("value, text", CONFIGURATIONS)
def test_configurations_as_yaml(value, text):
    assert yaml_text.dump(value) == text


def test_configurations_are_merged():
    base = {"cache": {"size": "16MiB", "ttl": {"sql": "1m"}}, "databases": [1]}
    merged = daemon_module.merge(base, {"cache": {"ttl": {"chat": "2m"}}, "databases": []})
    assert merged == {"cache": {"size": "16MiB", "ttl": {"sql": "1m", "chat": "2m"}}, "databases": []}
    assert base["databases"] == [1]


@pytest.mark.parametrize("log, is_report", [
    ("==12==ERROR: AddressSanitizer: heap-use-after-free on address", True),
    ("==12==ERROR: LeakSanitizer: detected memory leaks", True),
    ("shm/cache.c:12:3: runtime error: signed integer overflow", True),
    ("==12==ERROR: AddressSanitizer: SEGV on unknown address", False),
    ("router: exited with signal 11, restarting", False),
])
def test_what_a_sanitizer_reports(log, is_report):
    assert bool(daemon_module.SANITIZER.search(log)) == is_report


def test_programs_that_are_not_built_are_named():
    with pytest.raises(FileNotFoundError, match="top_builddir"):
        daemon_module.program("optimax-nothing")


def test_who_is_killed_is_alive(monkeypatch):
    """status may name one that is gone, or that nobody has waited for, or for a moment none at all."""
    def sleeper():
        return subprocess.Popen(["sleep", "600"])

    gone, zombie, alive = sleeper(), sleeper(), sleeper()
    try:
        for dead in (gone, zombie):
            dead.kill()
        gone.wait()
        process.wait_until(lambda: not process.is_alive(zombie.pid))
        named = iter([[gone.pid], [zombie.pid], [], [alive.pid]])
        daemon = daemon_module.Daemon()
        try:
            monkeypatch.setattr(daemon, "pids", lambda role, database: next(named))
            assert daemon.kill("inference", signal.SIGTERM) == alive.pid
        finally:
            daemon.close()
        assert alive.wait(10) == -signal.SIGTERM
    finally:
        for one in (gone, zombie, alive):
            one.kill()
            one.wait()


def test_the_clock_moves(tmp_path):
    clock = daemon_module.TestClock(tmp_path / "clock")
    clock.advance(1.5)
    clock.advance(10)
    assert int.from_bytes((tmp_path / "clock").read_bytes(), "little") == 11_500
    assert os.stat(tmp_path / "clock").st_size == 8
