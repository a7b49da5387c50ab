"""kill -9 of each kind of process: the next question is answered, totals and cache stay."""

import itertools
import os
import signal
import threading
import time

import pytest

import process
from client import Client, RpcError

LOAD_CLIENTS = 4


class Load:
    """Clients that ask all the time; each id is answered exactly once or its connection was lost."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.running = True
        self.answered, self.failed, self.lost, self.problems = 0, [], 0, []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True) for i in range(LOAD_CLIENTS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.running = False
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()
        assert not self.problems, self.problems[:3]

    def run(self, number):
        for i in itertools.count():
            try:
                with Client(self.daemon.socket, 30) as client:
                    while self.running:
                        self.ask(client, number, i)
                        i += 1
                    return
            except (OSError, EOFError):
                with self.lock:
                    self.lost += 1
                if not self.running:
                    return
                time.sleep(process.POLL_S)

    def ask(self, client, number, i):
        value = number * 1_000_000 + i // 2  # each twice: once from PostgreSQL, once from the cache
        try:
            reply = client.sql(f"SELECT {value} + count(*) FROM suppliers WHERE id < 0")
            with self.lock:
                self.answered += 1
                if reply["rows"] != [[value]]:
                    self.problems.append((value, reply["rows"]))
        except RpcError as error:
            with self.lock:
                self.failed.append(error)

    def wait_answers(self, more=50):
        goal = self.answered + more
        process.wait_until(lambda: self.answered >= goal, 30)


@pytest.mark.parametrize("role", ["database", "inference", "watcher", "router"])
def test_kill_each_role_under_load(daemon, role):
    daemon.ask("How many customers are there?")
    with Load(daemon) as load:
        load.wait_answers()
        before = daemon.stats()["total_requests"]
        for _ in range(3):
            pid = daemon.kill(role)
            daemon.wait_replaced(role, pid)
            load.wait_answers()
    stats = daemon.stats()
    assert stats["total_requests"] >= before + load.answered - before or stats["total_requests"] > before
    assert [e.code for e in load.failed] == []
    if role != "router":
        assert load.lost == 0
    assert daemon.ask("How many customers are there?")["cached"]
    children = [c for c in daemon.children(role)]
    assert sum(c["restarts"] for c in children) >= 3
    assert any("signal 9" in c.get("last_death", "") for c in children)


def test_kill_the_supervisor(daemon):
    for _ in range(2):
        first = daemon.ask("How many customers are there?")
    assert first["cached"]
    total = daemon.stats()["total_requests"]
    daemon.kill_supervisor()
    daemon.start()
    daemon.wait_state("ready")
    again = daemon.ask("How many customers are there?")
    assert again["cached"] and again["rows"] == first["rows"]
    assert daemon.stats()["total_requests"] == total + 1


def test_the_request_in_flight_is_tried_once_more(daemon):
    client = daemon.client()
    msgid = client.send("sql", {"sql": "SELECT count(*) FROM generate_series(1, 4000000)"})

    def busy():
        """a database worker with a job"""
        return [w for w in daemon.stats()["workers"] if w["role"] == "database" and w["in_flight"]]

    os.kill(process.wait_until(busy)[0]["pid"], signal.SIGKILL)
    assert client.wait(msgid)["rows"] == [[4000000]]


def test_a_request_that_kills_twice_is_refused(daemon):
    client = daemon.client()
    sql = "SELECT count(*) FROM generate_series(1, 2000000000)"
    msgid = client.send("sql", {"sql": sql})
    killed = set()

    def busy():
        """a database worker with a job"""
        return [w["pid"] for w in daemon.stats()["workers"]
                if w["role"] == "database" and w["in_flight"] and w["pid"] not in killed and w["pid"] > 0]

    for _ in range(2):
        pid = process.wait_until(busy)[0]
        killed.add(pid)
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(RpcError) as caught:
        client.wait(msgid)
    assert caught.value.code == "worker_crashed"
    assert daemon.error("sql", {"sql": sql}).code == "worker_crashed"
    assert daemon.sql("SELECT 1")["rows"] == [[1]]


def test_no_zombies_and_no_survivors(daemon):
    for role in ("database", "inference"):
        pid = daemon.kill(role)
        daemon.wait_replaced(role, pid)
    pids = [c["pid"] for c in daemon.children()]
    assert daemon.stop() == 0
    assert not any(process.is_alive(pid) for pid in pids)
    assert "STOPPING=1" in daemon.read_notifications()
    assert not daemon.socket.exists() and not daemon.control.exists()


def test_sigterm_answers_what_is_in_flight(daemon):
    client = daemon.client()
    ids = [client.send("sql", {"sql": f"SELECT {i} + count(*) FROM generate_series(1, 100000)"}) for i in range(100)]
    client.receive()  # so that the first are surely being worked on
    daemon.process.send_signal(signal.SIGTERM)
    replies = 1
    while replies < 100:
        try:
            message = client.receive()
        except EOFError:
            break
        assert message[2] is None or message[2]["code"] == "shutting_down"
        replies += 1
    assert replies == len(ids)
    assert daemon.process.wait(30) == 0


def test_the_socket_survives_a_dead_router(daemon):
    for _ in range(5):
        pid = daemon.kill("router")
        assert daemon.client().call("ping")["protocol"] == 1
        daemon.wait_replaced("router", pid)
