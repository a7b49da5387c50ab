"""The limit around a statement, and the budgets that end what is too much. What one statement did
costs the next one nothing."""

import json
import os
import time
from pathlib import Path

import pytest

import daemon as daemon_module
import process
from client import RpcError

SHARED = Path(os.environ.get("OPTIMAX_SHARED_DATA", "")) / "sql-safety"
HUGE = """
CREATE TABLE huge (id int PRIMARY KEY, place int, note text);
INSERT INTO huge SELECT n, (n::bigint * 7919) % 100003, 'note ' || n FROM generate_series(1, 100000) n;
CREATE INDEX ON huge (place);
GRANT SELECT ON huge TO optimax_ro;
ANALYZE huge;
"""
PARALLEL = """
ALTER DATABASE {0} SET parallel_setup_cost = 0;
ALTER DATABASE {0} SET parallel_tuple_cost = 0;
ALTER DATABASE {0} SET min_parallel_table_scan_size = 0;
ALTER DATABASE {0} SET force_parallel_mode = on;
"""
# What makes a machine busy or full, and what each may end with: an error's code, or rows cut short.
BOMBS = {
    "rows without end": "SELECT n FROM generate_series(1, 1000000000) n",
    "product of tables": "SELECT count(*) FROM order_items a, order_items b, order_items c, order_items d",
    "rows of a product": "SELECT a.* FROM order_items a, order_items b, order_items c, order_items d",
    "endless recursion": "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
    "recursion that doubles": "WITH RECURSIVE r(s) AS (SELECT 'x' UNION ALL SELECT s || s FROM r) SELECT length(s) FROM r",
    "one large value": "SELECT repeat('x', 300000000)",
    "one large format": "SELECT format('%300000000s', 'x')",
    "large aggregate": "SELECT string_agg(repeat('y', 1000000), '') FROM generate_series(1, 300)",
    "many large columns": "SELECT " + ", ".join(f"repeat('z', 1000000) AS c{i}" for i in range(60)),
    "work without rows": "SELECT count(DISTINCT md5(n::text)) FROM generate_series(1, 100000000) n",
}
STOPPED = {"timeout", "sql_rejected", "sql_error"}


@pytest.fixture(scope="module")
def huge(session_cluster):
    session_cluster.start()
    name = session_cluster.create_database(HUGE)
    session_cluster.psql(PARALLEL.format(name), database="postgres")
    yield name
    session_cluster.drop_database(name)


@pytest.fixture
def on_huge(new_daemon, cluster, huge):
    daemon = new_daemon(databases=[{"name": "huge", "dsn": cluster.dsn(huge), "workers": 1,
                                    "limits": {"rows": 5000, "time": "5s"}}])
    daemon.wait_serving()
    return daemon


def stopped(daemon, sql, **params):
    """How a limit ended it: an error's code, or `truncated`. None: no limit did."""
    try:
        reply = daemon.sql(sql, no_cache=True, **params)
    except RpcError as error:
        assert error.code != "sql_error" or error.sqlstate in ("54000", "53400", "53200"), error
        return error.code if error.code in STOPPED else None
    return "truncated" if reply["truncated"] else None


def served(daemon, sql):
    """The rows; None while a statement that was cancelled still goes on in the server."""
    try:
        return daemon.sql(sql, no_cache=True)["rows"]
    except RpcError as error:
        assert error.code == "database_unavailable" and error.error["retryable"], error
        assert "statement that was cancelled" in error.error["message"], error
        return None


def wait_at_rest(cluster):
    """A function of PostgreSQL that does not look for cancels ends by itself, seconds later."""
    def at_rest():
        """nothing runs for OptimaX"""
        return cluster.psql("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'optimax%'"
                            " AND state <> 'idle'") == [["0"]]

    process.wait_until(at_rest, timeout=60)


# ---- the limit ----

@pytest.mark.parametrize("sql, column", [
    ("SELECT id, place FROM huge ORDER BY place", 1),
    ("SELECT id, place FROM huge ORDER BY place DESC", 1),
    ("SELECT id, md5(note) FROM huge ORDER BY md5(note)", 1),
    ("SELECT place % 50000 AS part, count(*) FROM huge GROUP BY 1 ORDER BY 1", 0),
    ("(SELECT id FROM huge WHERE id % 2 = 0) UNION ALL (SELECT -id FROM huge WHERE id % 2 = 1) ORDER BY 1", 0),
    ("WITH h AS (SELECT id, note FROM huge) SELECT a.id FROM h a JOIN huge b ON a.id = b.place ORDER BY a.note, 1", None),
    ("SELECT id FROM huge ORDER BY place; -- with a comment;", None),
])
def test_the_order_is_the_statements_own(on_huge, cluster, huge, sql, column):
    """Under plans that are parallel wherever they can be."""
    wanted = cluster.psql(sql, database=huge)
    for limit in (3, 5000):
        reply = on_huge.sql(sql, limit=limit)
        rows = [["" if value is None else str(value) for value in row] for row in reply["rows"]]
        assert reply["truncated"] and reply["row_count"] == limit
        if column is None:
            assert rows == wanted[:limit]
        else:
            assert [row[column] for row in rows] == [row[column] for row in wanted[:limit]]


def test_a_small_limit_on_a_huge_table_does_little(on_huge, cluster, huge):
    """Measured by what PostgreSQL reads, as times are not to be trusted here."""
    def blocks():
        return int(cluster.psql("SELECT pg_stat_force_next_flush(); SELECT coalesce(sum(heap_blks_read + heap_blks_hit), 0)"
                                " FROM pg_statio_user_tables WHERE relname = 'huge'", database=huge)[-1][0])

    on_huge.sql("SELECT 1")
    whole = int(cluster.psql("SELECT pg_relation_size('huge') / 8192", database=huge)[0][0])
    cluster.psql("SELECT pg_stat_reset()", database=huge)
    for sql in ("SELECT * FROM huge", "SELECT * FROM huge ORDER BY id", "SELECT * FROM huge ORDER BY place"):
        assert on_huge.sql(sql, limit=10)["truncated"]
    # The backend reports what it read when it is asked to end, if not before.
    on_huge.stop()
    process.wait_until(lambda: blocks() > 0)
    assert blocks() < whole / 2, (blocks(), whole)


def test_the_plans_cost_is_of_what_will_run(new_daemon, cluster, huge):
    daemon = new_daemon(databases=[{"name": "huge", "dsn": cluster.dsn(huge), "workers": 1, "limits": {"plan_cost": 1000}}])
    daemon.wait_serving()
    assert daemon.sql("SELECT * FROM huge ORDER BY id", limit=10)["row_count"] == 10
    error = daemon.error("sql", {"sql": "SELECT * FROM huge ORDER BY note", "limit": 10})
    assert (error.code, error.detail) == ("sql_rejected", "cost")
    assert "estimates a cost of " in error.message and "limits.plan_cost of 1000" in error.message


def test_a_cost_of_any_size_is_read(new_daemon, cluster, huge):
    """A number of hundreds of digits, and Infinity, which no JSON has."""
    daemon = new_daemon(databases=[{"name": "huge", "dsn": cluster.dsn(huge), "workers": 1}])
    daemon.wait_serving()
    for tables in (30, 70):
        names = ", ".join(f"huge t{i}" for i in range(tables))
        error = daemon.error("sql", {"sql": f"SELECT count(*) FROM {names}"})
        assert (error.code, error.detail) == ("sql_rejected", "cost"), error.message


# ---- the budgets ----

@pytest.fixture
def bounded(new_daemon, shop):
    daemon = new_daemon(databases=[{**shop, "workers": 1, "limits": {"time": "1s", "plan_cost": 10**15}}])
    daemon.wait_serving()
    return daemon


def test_every_bomb_is_stopped_by_a_limit(bounded, cluster):
    pids = bounded.pids("database")
    for name, sql in BOMBS.items():
        began = time.monotonic()
        assert stopped(bounded, sql), name
        assert time.monotonic() - began < 10, name
        # The next statement is served at once, by the same process, and PostgreSQL comes to rest. (After two
        # that it goes on with the worker would wait: test_of_what_can_not_be_cancelled_...)
        assert bounded.sql("SELECT count(*) FROM customers", no_cache=True)["row_count"] == 1, name
        wait_at_rest(cluster)
    assert bounded.pids("database") == pids


def test_the_sending_of_a_result_is_bounded_too(bounded):
    """statement_timeout does not: PostgreSQL goes on sending. Nor is it bounded by a row's size alone."""
    began = time.monotonic()
    error = bounded.error("sql", {"sql": "SELECT format('%1000000000s', 'x')"})
    assert error.code in ("timeout", "sql_error"), error
    assert time.monotonic() - began < 8


def test_time_is_counted_once(bounded):
    before = bounded.stats()["total_requests"]
    began = time.monotonic()
    endless = "SELECT count(*) FROM generate_series(1, 2000000000) a"
    assert bounded.error("sql", {"sql": endless}).code == "timeout"
    assert time.monotonic() - began < 1.9
    assert bounded.stats()["total_requests"] == before + 1


def test_the_address_space_of_a_worker_is_limited(bounded):
    if daemon_module.is_sanitized():
        pytest.skip("a sanitizer can't work with a limit on address space")
    segment = 16 << 20
    pid, = bounded.pids("database")
    with open(f"/proc/{pid}/limits") as file:
        line = next(line for line in file if line.startswith("Max address space"))
    assert int(line.split()[3]) == segment + (128 << 20) + 5 * (4 << 20)


# ---- the shared statements ----

@pytest.fixture
def safety(cluster):
    """The tables that the shared statements are about, and a role that may read three of them."""
    if not (SHARED / "setup.sql").exists():
        pytest.skip("OPTIMAX_SHARED_DATA names no folder with sql-safety/setup.sql")
    text = (SHARED / "setup.sql").read_text().replace("CREATE DATABASE app;", "").replace("\\c app", "")
    name = cluster.create_database("")
    cluster.psql(text, database=name)
    yield {"name": "app", "dsn": cluster.dsn(name, "app_ro")}
    cluster.psql("DROP OWNED BY app_ro, app_rw, app_downgraded", name)
    cluster.drop_database(name)
    cluster.psql("DROP ROLE app_ro, app_rw, app_downgraded", "postgres")


def rows_of(name):
    return [json.loads(line) for line in (SHARED / name).read_text().splitlines()]


def test_the_shared_statements_that_only_a_limit_stops(new_daemon, cluster, safety):
    daemon = new_daemon(databases=[{**safety, "workers": 1, "limits": {"time": "2s"}}])
    daemon.wait_serving()
    left = [row["id"] for row in rows_of("attacks.jsonl") if row["layer"] == "runtime" and not stopped(daemon, row["sql"])]
    wait_at_rest(cluster)
    assert not left


def test_the_shared_statements_that_do_no_harm(new_daemon, safety):
    """Those that are allowed run; which are allowed is the validator's own test."""
    daemon = new_daemon(databases=[safety])
    daemon.wait_serving()
    left = {}
    for row in rows_of("benign.jsonl"):
        try:
            daemon.sql(row["sql"])
        except RpcError as error:
            if error.code != "sql_rejected" or error.detail == "cost":
                left[row["id"]] = str(error)
    assert not left


def test_of_what_can_not_be_cancelled_there_are_two_at_most(new_daemon, cluster, shop):
    """PostgreSQL pads to the end, whoever has gone: a worker has not any number of such sessions."""
    daemon = new_daemon(databases=[{**shop, "workers": 1, "limits": {"time": "500ms", "plan_cost": 10**12}}])
    daemon.wait_serving()
    old = daemon.pids("database")
    padding = "SELECT " + ", ".join(f"length(lpad('x', 150000000 + (id - id)::int, 'ab')) AS c{i}" for i in range(2)) + " FROM customers LIMIT 1"

    def busy():
        return [pid for pid, in cluster.psql("SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%lpad%'"
                                             " AND application_name LIKE 'optimax%'")]

    assert daemon.error("sql", {"sql": padding}).code == "timeout"
    first, = busy()
    assert daemon.sql("SELECT 7 AS seven")["rows"] == [[7]]
    assert daemon.error("sql", {"sql": padding + " OFFSET 1"}).code == "timeout"

    def served_at_last():
        """a row, once the first has ended"""
        rows = served(daemon, "SELECT 8 AS eight")
        assert rows or len(busy()) <= 2
        return rows
    assert process.wait_until(served_at_last, 90) == [[8]] and first not in busy()
    assert daemon.pids("database") == old
