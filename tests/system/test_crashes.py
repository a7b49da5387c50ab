"""What becomes of requests in flight when a worker dies or the daemon stops."""

import os
import signal

import pytest

import process
from client import RpcError

# Hours of work that the planner takes for little: it can't see through the sub-selects.
SLOW = ("SELECT count(*) AS slow_{} FROM generate_series(1, (SELECT 1000000)) a, "
        "generate_series(1, (SELECT 1000000)) b")


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
    sql = SLOW.format("a")
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


