"""The corpus of attacks and analytics through a daemon and PostgreSQL itself.

OPTIMAX_SHARED_DATA adds the statements of its folder sql-safety. FUZZ_EMIT_MAX is how many
mutated statements that the validator allows are sent to PostgreSQL (200; 20000 takes an hour)."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

import process
from build_tree import BUILD
from cluster import SOURCE
from daemon import Daemon

CORPUS = SOURCE / "tests" / "corpus"
SHARED = os.environ.get("OPTIMAX_SHARED_DATA")

# As the shared corpus has it, so that its statements and ours are judged by the same role.
SETUP = """
CREATE TABLE customers (id int PRIMARY KEY, name text, city text, created_at timestamptz DEFAULT now());
CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers, total numeric(12,2),
    status text, placed_at timestamptz);
CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders, sku text, qty int, price numeric(10,2));
CREATE TABLE secrets (k text, v text);
INSERT INTO secrets VALUES ('api', 's3cr3t');
INSERT INTO customers SELECT g, 'n' || g, (array['Oslo','Rome','Lima'])[1 + g % 3], now() - g * interval '1 day'
    FROM generate_series(1, 100) g;
INSERT INTO orders SELECT g, 1 + g % 100, g * 1.5, (array['paid','new','void'])[1 + g % 3],
    now() - g * interval '1 hour' FROM generate_series(1, 1000) g;
INSERT INTO items SELECT g, 1 + g % 1000, 'sku' || g % 50, 1 + g % 5, g % 90 + 0.99 FROM generate_series(1, 3000) g;
CREATE TABLE audit (i int);
CREATE SEQUENCE sq;
CREATE FUNCTION f_write() RETURNS int LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    AS $$BEGIN INSERT INTO audit VALUES (1); RETURN 1; END$$;
CREATE FUNCTION f_lie() RETURNS int LANGUAGE plpgsql IMMUTABLE SECURITY DEFINER
    AS $$BEGIN PERFORM pg_advisory_lock(4242); RETURN 1; END$$;
CREATE FUNCTION f_double(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1';
CREATE VIEW v_side AS SELECT pg_try_advisory_lock(777) AS l, id FROM customers;
CREATE VIEW v_sums AS SELECT c.name, count(*) AS n, round(sum(o.total), 2) AS total,
    max(o.placed_at)::date AS last FROM customers c JOIN orders o ON o.customer_id = c.id
    WHERE o.status IN ('new', 'paid') GROUP BY c.name;
CREATE VIEW v_on_sums AS SELECT name FROM v_sums WHERE total > 10;
CREATE VIEW v_double AS SELECT id, f_double(id) AS twice FROM customers;
CREATE VIEW v_secret AS SELECT k FROM secrets;
CREATE MATERIALIZED VIEW m_sums AS SELECT status, count(*) AS n FROM orders GROUP BY status;
CREATE PROCEDURE p_write() LANGUAGE plpgsql AS $$BEGIN INSERT INTO audit VALUES (1); COMMIT; END$$;
CREATE FUNCTION op_side(int, int) RETURNS int LANGUAGE plpgsql AS $$BEGIN PERFORM pg_advisory_lock(888); RETURN 1; END$$;
CREATE OPERATOR @#@ (LEFTARG = int, RIGHTARG = int, FUNCTION = op_side);
CREATE TYPE evil AS (x int);
CREATE FUNCTION cast_side(int) RETURNS evil LANGUAGE plpgsql AS $$BEGIN PERFORM pg_advisory_lock(999); RETURN ROW($1)::evil; END$$;
CREATE CAST (int AS evil) WITH FUNCTION cast_side(int);
GRANT SELECT ON customers, orders, items, v_side, v_sums, v_on_sums, v_double, v_secret, m_sums TO optimax_ro;
ANALYZE;
"""

# What a statement that only reads leaves as it was.
STATE = """
CHECKPOINT;
SELECT 'locks', count(*)::text FROM pg_locks WHERE locktype = 'advisory'
UNION ALL SELECT 'next xid', pg_snapshot_xmax(pg_current_snapshot())::text
UNION ALL SELECT 'large objects', count(*)::text FROM pg_largeobject_metadata
UNION ALL SELECT 'sequence', last_value::text || is_called FROM sq
UNION ALL SELECT 'relations', count(*)::text FROM pg_class
UNION ALL SELECT 'rows', (SELECT count(*) FROM audit) || ' ' || (SELECT count(*) FROM orders)
UNION ALL SELECT 'settings', md5(string_agg(setdatabase::text || setconfig::text, ',')) FROM pg_db_role_setting
UNION ALL SELECT 'roles', md5(string_agg(a::text, ',' ORDER BY oid)) FROM pg_authid a
UNION ALL SELECT 'slots', count(*)::text FROM pg_replication_slots
UNION ALL SELECT 'sessions', count(*)::text FROM pg_stat_activity WHERE backend_type = 'client backend'
    AND application_name <> 'psql'
UNION ALL SELECT 'written', count(*)::text FROM pg_get_wal_records_info_till_end_of_wal('{start}')
    WHERE resource_manager IN ('LogicalMessage', 'Heap', 'Sequence', 'Transaction')
    AND record_type NOT LIKE '%LOCK%' AND record_type NOT LIKE '%PRUNE%'
"""

# The same of the session itself.
SESSION = """SELECT md5(string_agg(name || setting, ',' ORDER BY name))
    || (SELECT count(*) FROM pg_prepared_statements) || (SELECT count(*) FROM pg_cursors)
    || (SELECT count(*) FROM pg_listening_channels())
    FROM pg_settings WHERE name NOT LIKE 'safety.%'"""


def rows(name):
    found = [json.loads(line) for line in (CORPUS / name).read_text().splitlines()]
    if SHARED:
        found += [json.loads(line) for line in (Path(SHARED) / "sql-safety" / name).read_text().splitlines()]
    return found


@pytest.fixture(scope="module")
def safety(session_cluster):
    """The database's name."""
    session_cluster.start()
    name = session_cluster.create_database(SETUP)
    yield name
    session_cluster.drop_database(name)


@pytest.fixture(scope="module")
def guard(session_cluster, safety):
    daemon = Daemon([{"name": "shop", "dsn": session_cluster.dsn(safety)}])
    try:
        daemon.start()
        daemon.wait_serving()
        yield daemon
    finally:
        daemon.close()


def check_all(daemon, statements):
    """The verdicts of `optimaxctl check --batch`, by id."""
    lines = "".join(json.dumps({"id": str(key), "sql": sql}) + "\n" for key, sql in statements)
    done = daemon.ctl("check", "--batch", stdin=lines)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(statements), done.stderr
    return {answer["id"]: answer for answer in answers}


def test_attacks_are_refused(guard):
    attacks = [row for row in rows("attacks.jsonl") if row.get("layer", "static") == "static"]
    verdicts = check_all(guard, [(row["id"], row["sql"]) for row in attacks])
    let_in = [row["sql"] for row in attacks if verdicts[row["id"]].get("verdict") != "reject"]
    assert let_in == []


def test_analytics_are_allowed_and_run(guard):
    benign = rows("benign.jsonl")
    verdicts = check_all(guard, [(row["id"], row["sql"]) for row in benign])
    refused = [(row["sql"], verdicts[row["id"]].get("reason")) for row in benign
               if verdicts[row["id"]].get("verdict") != "allow"]
    assert refused == []
    for row in benign:
        guard.sql(row["sql"], no_cache=True)


@pytest.mark.skipif(not SHARED, reason="OPTIMAX_SHARED_DATA does not name the folder of sql-safety")
def test_shared_corpus_was_among_them():
    assert len(rows("attacks.jsonl")) > 700 and len(rows("benign.jsonl")) > 250


def allowed_functions():
    text = (SOURCE / "worker" / "allowed_functions.def").read_text()
    return dict(re.findall(r"FUNCTION\((\w+), (\w+)\)", re.sub(r"/\*.*?\*/", "", text, flags=re.S)))


def test_no_listed_function_does_more_than_compute(session_cluster, safety):
    """Every overload that this server has: volatile ones are known, none needs a privilege."""
    found = session_cluster.psql(
        "SELECT proname, provolatile, proacl IS NOT NULL, prosrc FROM pg_proc "
        "WHERE pronamespace = 'pg_catalog'::regnamespace", database=safety)
    listed = allowed_functions()
    volatile = {name for name, volatility, _, _ in found if volatility == "v" and name in listed}
    assert volatile == {"clock_timestamp", "gen_random_uuid", "random", "timeofday", "pg_indexes_size",
                        "pg_relation_size", "pg_table_size", "pg_total_relation_size"}
    assert all(listed[name] != "PURE" for name in volatile)
    assert [name for name, _, needs, _ in found if needs == "t" and name in listed] == []


def test_all_other_functions_are_refused(guard, session_cluster, safety):
    """Called, and as a field of a relation where one argument will do."""
    found = session_cluster.psql(
        "SELECT DISTINCT proname, pronargs, NOT 'internal'::regtype = ANY (proargtypes) FROM pg_proc "
        "WHERE pronamespace = 'pg_catalog'::regnamespace", database=safety)
    listed = allowed_functions()
    statements = []
    for name, count, callable_ in found:
        if name in listed:
            continue
        nulls = ", ".join(["NULL"] * int(count))
        statements.append((f"call {name} {count}", f'SELECT pg_catalog."{name}"({nulls})'))
        if count == "1" and callable_ == "t":
            statements.append((f"field {name}", f'SELECT g."{name}" FROM generate_series(1, 2) g'))
            statements.append((f"value {name}", f'SELECT (1)."{name}"'))
    assert len(statements) > 3000
    statements = list(dict(statements).items())
    verdicts = check_all(guard, statements)
    assert [key for key, verdict in verdicts.items() if verdict.get("verdict") != "reject"] == []


VIEWS = [
    ("SELECT * FROM v_sums", "allow", ["public.v_sums"]),
    ("SELECT * FROM v_on_sums", "allow", ["public.v_on_sums"]),
    ("SELECT * FROM m_sums", "allow", ["public.m_sums"]),
    ("SELECT * FROM v_side", "reject", []),
    ("SELECT * FROM v_double", "reject", []),
    ("SELECT * FROM v_secret", "reject", []),
]


@pytest.mark.parametrize("sql, verdict, tables", VIEWS, ids=[row[0][14:] for row in VIEWS])
def test_views_are_judged_by_their_bodies(guard, sql, verdict, tables):
    answer = guard.call("check", {"sql": sql})
    assert (answer["verdict"], answer["tables"]) == (verdict, tables), answer
    if verdict == "allow":
        assert guard.sql(sql)["row_count"] > 0
    else:
        assert "databases[].allow.views" in answer["reason"]


def test_a_reload_widens_and_narrows(cluster, new_daemon):
    database = cluster.create_database(SETUP)
    entry = {"name": "shop", "dsn": cluster.dsn(database)}
    daemon = new_daemon(databases=[entry])
    daemon.wait_serving()
    orders = "SELECT count(*) FROM orders"
    assert daemon.sql(orders)["rows"] == [[1000]]
    assert daemon.sql(orders)["cached"]
    assert daemon.error("sql", {"sql": "SELECT f_double(2)"}).code == "sql_rejected"
    entry["allow"] = {"functions": ["public.f_double"], "tables": ["-public.orders"]}
    daemon.configure({"databases": [entry]})
    daemon.call("reload", control=True)
    assert daemon.sql("SELECT f_double(2), twice FROM v_double WHERE id = 1")["rows"] == [[4, 2]]
    assert daemon.error("sql", {"sql": orders}).detail == "relation"


def test_citext_can_be_let_in(cluster, new_daemon):
    database = cluster.create_database("CREATE TABLE t (name text); INSERT INTO t VALUES ('a'), ('A');"
                                       "GRANT SELECT ON t TO optimax_ro; ANALYZE")
    cluster.psql("CREATE EXTENSION citext", database=database)
    entry = {"name": "shop", "dsn": cluster.dsn(database)}
    sql = "SELECT count(DISTINCT name::citext), max(name) FROM t WHERE name = 'a' OR name::text <> 'a'"
    daemon = new_daemon(databases=[entry])
    daemon.wait_serving()
    assert daemon.error("sql", {"sql": sql}).code == "sql_rejected"
    entry["allow"] = {"functions": ["extension:citext"]}
    daemon = new_daemon(databases=[entry])
    daemon.wait_serving()
    assert daemon.sql(sql)["rows"][0][0] == 1


def test_analyze_keeps_the_schema_version(cluster, new_daemon):
    """Estimates and samples are not of the version that keys have."""
    database = cluster.create_database(SETUP)
    daemon = new_daemon(databases=[{"name": "shop", "dsn": cluster.dsn(database)}])
    daemon.wait_serving()
    before = daemon.call("schema")["version"]
    cluster.psql("INSERT INTO customers SELECT g, 'm' || g, 'Bonn' FROM generate_series(200, 900) g; ANALYZE",
                 database=database)
    pid = daemon.pids("watcher")[0]
    daemon.kill("watcher")
    daemon.wait_replaced("watcher", pid)

    def is_read_again():
        """the new estimate has come"""
        tables = daemon.call("schema")["schemas"][0]["tables"]
        return [table["row_estimate"] for table in tables if table["name"] == "customers"] == [801]

    process.wait_until(is_read_again)
    assert daemon.call("schema")["version"] == before


def sent(session_cluster, database, statements):
    """The answers, and the state of the server before and after, while the session is still there."""
    dsn = session_cluster.dsn(database)
    sender = process.start([BUILD / "tests" / "system" / "send_statements", dsn],
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    start = session_cluster.psql("CHECKPOINT; SELECT pg_current_wal_flush_lsn()", database=database)[0][0]
    answers = []

    def send(sql):
        sender.stdin.write(json.dumps(sql) + "\n")
        sender.stdin.flush()
        answers.append(sender.stdout.readline().strip())

    send(f"SELECT set_config('safety.before', ({SESSION}), false)")
    before = session_cluster.psql(STATE.format(start=start), database=database)
    for sql in statements:
        send(sql)
    after = session_cluster.psql(STATE.format(start=start), database=database)
    send(f"SELECT 1 / (current_setting('safety.before') = ({SESSION}))::int")
    sender.stdin.close()
    sender.wait(timeout=30)
    assert answers[-1] == "ok", "a setting of the session is another"
    return answers[1:-1], before, after


def test_what_is_allowed_has_no_effect(session_cluster, safety):
    """Mutated statements that the validator allows, sent without the transaction that is read-only."""
    session_cluster.psql("CREATE EXTENSION IF NOT EXISTS pg_walinspect", database=safety)
    emitted = process.new_scratch("fuzz") / "allowed"
    count = os.environ.get("FUZZ_EMIT_MAX", "200")
    fuzz = process.run([BUILD / "tests" / "unit" / "test_validate_fuzz"], timeout=3600,
                       env={**os.environ, "top_srcdir": str(SOURCE), "FUZZ_EMIT": str(emitted),
                            "FUZZ_EMIT_MAX": count, "FUZZ_ROUNDS": str(int(count) * 40)})
    assert fuzz.returncode == 0, fuzz.stdout
    statements = [json.loads(line) for line in emitted.read_text().splitlines()]
    statements += [row["sql"] for row in rows("benign.jsonl")]
    process.remove_scratch(emitted.parent)
    answers, before, after = sent(session_cluster, safety, statements)
    assert after == before
    assert answers.count("ok") > len(statements) // 3
    # The same look does see what the validator refuses.
    _, before, after = sent(session_cluster, safety, ["SELECT pg_advisory_lock(1)", "SELECT txid_current()",
                                                       "SELECT pg_logical_emit_message(false, 'a', 'b')"])
    changed = {name for (name, was), (_, now) in zip(before, after) if was != now}
    assert {"locks", "next xid", "written"} <= changed


def test_a_crash_reaches_a_client_as_a_refusal(guard):
    """Whatever worker takes a statement dies over it: one error for it, and others are answered."""
    with guard.client() as client:
        msgid = client.send("sql", {"sql": "SELECT count(*) FROM generate_series(1, 30000000)", "no_cache": True})
        killed = set()

        def is_killed_twice():
            """two workers have been killed over the statement"""
            for worker in guard.stats()["workers"]:
                if worker["role"] == "database" and worker["in_flight"] and worker["pid"] not in killed:
                    killed.add(worker["pid"])
                    os.kill(worker["pid"], signal.SIGKILL)
            return len(killed) == 2

        process.wait_until(is_killed_twice)
        error, _ = client.wait_reply(msgid)
        assert error["code"] == "worker_crashed"
        guard.wait_serving()
        assert client.sql("SELECT 1", no_cache=True)["rows"] == [[1]]
