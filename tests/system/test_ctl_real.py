"""optimaxctl on the real daemon: what it prints is what a client of python3-msgpack alone gets."""

import csv
import io
import json
import signal
import subprocess

import pytest

import process
from daemon import program

# What differs from one answer to the next by nature.
PASSING = ("timing_us", "age_ms", "cached", "via", "confidence")


def lasting(reply):
    return {key: value for key, value in reply.items() if key not in PASSING}


@pytest.mark.parametrize("words, method, params", [
    (["sql", "SELECT id, name, NULL AS n FROM customers ORDER BY id LIMIT 3"], "sql",
     {"sql": "SELECT id, name, NULL AS n FROM customers ORDER BY id LIMIT 3"}),
    (["ask", "How", "many", "customers", "are", "in", "Germany?"], "ask", {"question": "How many customers are in Germany?"}),
    (["schema", "orders"], "schema", {"table": "orders"}),
    (["check", "SELECT * FROM orders"], "check", {"sql": "SELECT * FROM orders"}),
    (["route", "How many orders are there?"], "route", {"text": "How many orders are there?"}),
])
def test_the_same_answer_as_the_bare_protocol(shared_daemon, words, method, params):
    assert lasting(shared_daemon.ctl_json(*words)) == lasting(shared_daemon.call(method, params))


def test_tables_and_csv(shared_daemon):
    sql = "SELECT status, count(*) FROM orders GROUP BY status ORDER BY status"
    table = shared_daemon.ctl("sql", sql).stdout
    assert "delivered" in table and f"SQL: {sql}" in table and "via: " in table and " ms" in table
    rows = list(csv.reader(io.StringIO(shared_daemon.ctl("--csv", "sql", sql).stdout)))
    assert rows[0] == ["status", "count"] and len(rows) == 6


def test_batches_keep_their_order(shared_daemon):
    lines = "".join(json.dumps({"id": n, "sql": "SELECT 1" if n % 2 else "DROP TABLE orders"}) + "\n" for n in range(300))
    verdicts = shared_daemon.ctl_json("check", "--batch", stdin=lines)
    assert [v["id"] for v in verdicts] == list(range(300))
    assert [v["verdict"] for v in verdicts] == ["reject", "allow"] * 150
    assert all(0 <= v["micros"] == v["timing_us"]["validate"] <= v["timing_us"]["total"] for v in verdicts)
    lines = "".join(json.dumps({"id": n, "text": f"how many orders in {2000 + n}"}) + "\n" for n in range(300))
    routes = shared_daemon.ctl_json("route", "--batch", stdin=lines)
    assert [r["id"] for r in routes] == list(range(300)) and {r["route"] for r in routes} == {"sql"}


def test_exit_statuses(shared_daemon):
    refused = shared_daemon.ctl("sql", "DROP TABLE orders")
    assert refused.returncode == 1 and refused.stderr.startswith("optimaxctl: sql_rejected: ")
    assert shared_daemon.ctl("check", "DROP TABLE orders").returncode == 1
    assert shared_daemon.ctl("nonsense").returncode == 2
    assert shared_daemon.ctl("-s", shared_daemon.scratch / "nothing", "ping").returncode == 3


def test_an_interrupt_cancels_the_query(daemon, cluster):
    sql = ("SELECT count(*) AS slow_ctl FROM generate_series(1, (SELECT 1000000)) a, "
           "generate_series(1, (SELECT 1000000)) b")
    running = process.start([program("optimaxctl"), "-s", daemon.socket, "sql", sql], env=daemon.env(),
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def active():
        """the query in pg_stat_activity"""
        return cluster.psql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%AS slow_ctl%' "
                            "AND usename = 'optimax_ro' AND state = 'active'") == [["1"]]

    process.wait_until(active)
    running.send_signal(signal.SIGINT)
    assert running.wait(20) == 130
    process.wait_until(lambda: not active())
