"""The database worker and the watcher alone, with the test as their supervisor and router."""

import contextlib
import math
import os
import re
import signal
import socket
import threading
from pathlib import Path

import pytest

import process
from build_tree import BUILD
from worker_driver import Schema, Worker, WorkerError

# Heavy enough for any machine, and stopped by nothing but a cancel.
ENDLESS = "SELECT count(*) FROM big a, big b, big c"
TABLES = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE big (id int PRIMARY KEY, name text);
INSERT INTO big SELECT n, 'name ' || n FROM generate_series(1, 20000) n;
CREATE TABLE kinds (id int PRIMARY KEY, b bool, i2 int2, i8 int8, f4 float4, f8 float8,
    n numeric, t text, bin bytea, d date, ts timestamptz, iv interval, m mood, a int[], j jsonb);
INSERT INTO kinds VALUES
    (1, true, -32768, 9223372036854775807, 0.1, 1e300, 12345678901234567890.123456789, 'é"\\',
     '\\x00ff41', '2024-02-29', '2024-02-29 12:00:00+00', '1 year 2 days', 'ok', '{1,2}', '{"a": 1}'),
    (2, false, 32767, -9223372036854775808, 'NaN', '-Infinity', 'NaN', '', '', 'infinity',
     'infinity', '-1 day', 'sad', '{}', 'null');
INSERT INTO kinds VALUES (3);
CREATE TABLE shapes (city text, note text);
COMMENT ON TABLE shapes IS 'a comment';
INSERT INTO shapes SELECT 'city ' || n % 5, repeat('long', 100) || n FROM generate_series(1, 500) n;
CREATE TABLE wide (value text);
INSERT INTO wide VALUES (repeat('x', 2000000));
CREATE FUNCTION public.round(float8, int) RETURNS int LANGUAGE sql AS 'SELECT 1';
GRANT SELECT ON ALL TABLES IN SCHEMA public TO optimax_ro;
"""


@pytest.fixture(scope="session")
def tables(session_cluster):
    session_cluster.start()
    name = session_cluster.create_database(TABLES)
    session_cluster.psql("ANALYZE shapes", database=name)
    yield name
    session_cluster.drop_database(name)


@pytest.fixture
def segments():
    instance = f"test-{os.getpid()}-w"
    done = process.run([BUILD / "optimax-check", "--instance", instance,
                        "--size", str(16 << 20), "--max-value", str(1 << 20)])
    assert done.returncode == 0, done.stderr
    yield instance
    for name in (f"optimax-{instance}", f"optimax-{instance}-metrics"):
        Path("/dev/shm", name).unlink(missing_ok=True)


@pytest.fixture
def new_worker(segments):
    scratch = process.new_scratch("worker")
    workers = []

    def factory(program, **options):
        workers.append(Worker(program, segments, scratch, **options))
        return workers[-1]

    yield factory
    for worker in workers:
        worker.close()
    process.remove_scratch(scratch)


@pytest.fixture
def schema(new_worker, cluster, tables):
    watcher = new_worker("optimax-watcher").configure(cluster.dsn(tables)).attach()
    return Schema(watcher)


@pytest.fixture
def new_database_worker(new_worker, cluster, tables, schema):
    def factory(**limits):
        worker = new_worker("optimax-database").configure(cluster.dsn(tables), **limits)
        worker.control.notification("ready")
        return worker.give_schema(schema).attach()

    return factory


@pytest.fixture
def worker(new_database_worker):
    return new_database_worker()


def error_of(worker, sql, **options):
    with pytest.raises(WorkerError) as caught:
        worker.execute(sql, **options)
    return caught.value.error


def backend_of(cluster, tables):
    return cluster.psql("SELECT pid FROM pg_stat_activity WHERE application_name ="
                        f" 'optimax database 0' AND datname = '{tables}'")


def wait_for_query(cluster, tables, state="active"):
    def there():
        """the statement runs"""
        return cluster.psql("SELECT pid FROM pg_stat_activity WHERE application_name ="
                            f" 'optimax database 0' AND datname = '{tables}' AND state = '{state}'"
                            " AND query LIKE '%SELECT count%'")
    return int(process.wait_until(there)[0][0])


# ---- rows ----

def test_every_kind_of_value_comes_exactly(worker):
    reply = worker.execute("SELECT * FROM kinds ORDER BY id")
    assert [(c["name"], c["type"]) for c in reply["columns"]] == [
        ("id", "integer"), ("b", "boolean"), ("i2", "smallint"), ("i8", "bigint"), ("f4", "real"),
        ("f8", "double precision"), ("n", "numeric"), ("t", "text"), ("bin", "bytea"),
        ("d", "date"), ("ts", "timestamp with time zone"), ("iv", "interval"), ("m", "mood"),
        ("a", "integer[]"), ("j", "jsonb")]
    one, two, three = reply["rows"]
    assert one == [1, True, -32768, 2**63 - 1, 0.1, 1e300, "12345678901234567890.123456789", 'é"\\',
                   b"\x00\xffA", "2024-02-29", "2024-02-29 12:00:00+00", "1 year 2 days", "ok",
                   "{1,2}", '{"a": 1}']
    assert math.isnan(two.pop(4))
    assert two == [2, False, 32767, -2**63, -math.inf, "NaN", "", b"", "infinity", "infinity",
                   "-1 days", "sad", "{}", "null"]
    assert three == [3] + [None] * 14
    assert (reply["row_count"], reply["truncated"]) == (3, False)


def test_a_plan_alone_does_not_run(worker):
    fails_on_rows = "SELECT 1 / (id - id) FROM big"
    assert error_of(worker, fails_on_rows)["sqlstate"] == "22012"
    assert "rows" not in worker.execute(fails_on_rows, plan_only=True, key=b"")
    assert error_of(worker, "SELECT no_such FROM big", plan_only=True)["sqlstate"] == "42703"
    assert error_of(worker, "DELETE FROM big", plan_only=True)["detail"] == "not_select"
    assert error_of(worker, "SELECT 1", plan_only=True, version="other")["code"] == "database_unavailable"
    # The session is as it was.
    assert worker.execute("SELECT count(*) FROM kinds")["rows"] == [[3]]


def test_a_plan_alone_with_and_without_a_limit(new_database_worker):
    dear = "SELECT a.id FROM big a, big b ORDER BY a.name, b.name"
    assert error_of(new_database_worker(limit_plan_cost=10), dear, plan_only=True)["detail"] == "cost"
    assert new_database_worker(limit_plan_cost=0).execute(dear, plan_only=True)["execute_us"] > 0


def test_duplicate_names_and_no_rows(worker):
    reply = worker.execute("SELECT id, id FROM big WHERE id < 0")
    assert [column["name"] for column in reply["columns"]] == ["id", "id"]
    assert (reply["rows"], reply["row_count"], reply["truncated"]) == ([], 0, False)


@pytest.mark.parametrize("rows,limit,truncated", [(9, 10, False), (10, 10, False), (11, 10, True),
                                                  (20000, 10, True), (20000, 5000, True)])
def test_truncated_is_exact(new_database_worker, rows, limit, truncated):
    worker = new_database_worker(limit_rows=5000)
    for _ in range(3):  # a cancel must not hit the next statement
        reply = worker.execute(f"SELECT id FROM big WHERE id <= {rows} ORDER BY id", limit=limit)
        assert reply["rows"] == [[n] for n in range(1, min(rows, limit) + 1)]
        assert (reply["row_count"], reply["truncated"]) == (len(reply["rows"]), truncated)


def test_a_name_of_a_type_is_asked_for_after_a_cut(worker):
    reply = worker.execute("SELECT a.m, b.id FROM kinds a, big b ORDER BY b.id", limit=1)
    assert reply["truncated"]
    assert reply["columns"][0]["type"] == "mood"


def test_bytes_are_limited(new_database_worker):
    reply = new_database_worker(limit_bytes=1024).execute("SELECT name FROM big ORDER BY id")
    assert reply["truncated"]
    assert 50 < reply["row_count"] < 200
    assert len(reply["pairs"]) < 1200


def test_a_value_over_a_mebibyte_is_an_error(worker):
    error = error_of(worker, "SELECT value FROM wide")
    assert (error["code"], error["sqlstate"]) == ("sql_error", "54000")
    assert '"value"' in error["message"] and "left()" in error["message"]
    assert worker.execute("SELECT length(value) FROM wide")["rows"] == [[2000000]]


# ---- what is refused ----

def test_errors_of_postgresql_keep_their_state(worker):
    error = error_of(worker, "SELECT 1 / (id - 1) FROM big")
    assert (error["code"], error["sqlstate"]) == ("sql_error", "22012")
    assert error["message"] == "division by zero"
    assert error_of(worker, "SELECT nothing FROM big")["sqlstate"] == "42703"
    assert worker.execute("SELECT count(*) FROM kinds")["rows"] == [[3]]


def test_the_validator_stands_before_the_database(worker):
    error = error_of(worker, "DELETE FROM big")
    assert (error["code"], error["detail"]) == ("sql_rejected", "not_select")
    assert worker.check("SELECT id FROM big")["verdict"] == "allow"
    assert worker.check("SELECT pg_sleep(1)")["verdict"] == "reject"


def test_a_small_stack_is_made_large_enough(new_worker, cluster, tables, schema):
    worker = new_worker("optimax-database", limits="ulimit -Ss 256").configure(cluster.dsn(tables))
    worker.give_schema(schema).attach()
    # The longest of each that is parsed at all.
    for deep in ("SELECT 1" + "+1" * 770, "SELECT " + "- " * 1160 + "a",
                 "SELECT " + "NOT " * 1520 + "a", "SELECT 1" + " UNION SELECT 1" * 515):
        assert worker.check(deep)["code"] == "depth"
    assert re.search(rf"Max stack size +{8 << 20} ",
                     Path(f"/proc/{worker.process.pid}/limits").read_text())


def test_a_stack_that_cannot_be_large_enough_is_refused(segments, cluster, tables, tmp_path):
    worker = Worker("optimax-database", segments, tmp_path, limits="ulimit -s 1024")
    worker.configure(cluster.dsn(tables))
    assert worker.process.wait(timeout=15) != 0
    assert "limited to 1024 KiB, but statements may need 8192 KiB" in worker.log()
    worker.control.close()


def test_a_plan_that_costs_too_much_is_not_run(new_database_worker):
    worker = new_database_worker(limit_plan_cost=1000)
    error = error_of(worker, "SELECT count(*) FROM big a, big b")
    assert (error["code"], error["detail"]) == ("sql_rejected", "cost")
    assert "limits.plan_cost of 1000" in error["message"]
    for _ in range(2):  # planned first, then remembered
        assert worker.execute("SELECT name FROM big WHERE id = 7")["rows"] == [["name 7"]]


def test_a_second_statement_is_overloaded(new_database_worker):
    worker = new_database_worker(limit_plan_cost=0)
    first = worker.start(ENDLESS)
    error = error_of(worker, "SELECT 1")
    assert error["code"] == "overloaded" and error["retry_after_ms"] > 0
    worker.work.send([2, "cancel", [first]])
    with pytest.raises(WorkerError, match="cancelled"):
        worker.work.response(first)


# ---- time ----

def test_deadline_and_cancel_end_the_statement_on_the_server(new_database_worker, cluster, tables):
    worker = new_database_worker(limit_plan_cost=0)
    assert error_of(worker, ENDLESS, timeout_ms=300)["code"] == "timeout"
    msgid = worker.start(ENDLESS)
    pid = wait_for_query(cluster, tables)
    worker.work.send([2, "cancel", [msgid]])
    with pytest.raises(WorkerError, match="cancelled"):
        worker.work.response(msgid)
    assert worker.execute("SELECT count(*) FROM kinds")["rows"] == [[3]]
    # The same session: a cancel is no reason to connect again.
    assert backend_of(cluster, tables) == [[str(pid)]]
    assert "did not cancel" not in worker.log()


def test_the_configured_time_holds_too(new_database_worker):
    worker = new_database_worker(limit_plan_cost=0, limit_time_ms=300)
    assert error_of(worker, ENDLESS)["code"] == "timeout"


def test_a_server_that_does_not_cancel_is_left(new_database_worker, cluster, tables):
    worker = new_database_worker(limit_plan_cost=0)
    msgid = worker.start(ENDLESS, timeout_ms=2000)
    pid = wait_for_query(cluster, tables)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(WorkerError, match="timeout"):
            worker.work.response(msgid)
        process.wait_until(lambda: recovered(worker))
    finally:
        os.kill(pid, signal.SIGCONT)


def test_what_runs_may_end_before_the_process_does(new_database_worker, cluster, tables):
    worker = new_database_worker(limit_plan_cost=0)
    msgid = worker.start(ENDLESS, timeout_ms=1500)
    wait_for_query(cluster, tables)
    worker.control.notify("stop")
    assert error_of(worker, "SELECT 1")["code"] == "shutting_down"
    with pytest.raises(WorkerError, match="timeout"):
        worker.work.response(msgid)
    assert worker.process.wait(timeout=10) == 0


def test_a_router_that_has_gone_wants_nothing_any_more(new_database_worker, cluster, tables):
    worker = new_database_worker(limit_plan_cost=0)
    worker.start(ENDLESS)
    wait_for_query(cluster, tables)
    worker.attach()
    assert worker.execute("SELECT count(*) FROM kinds")["rows"] == [[3]]


# ---- the connection ----

def recovered(worker):
    """the worker answers again"""
    try:
        return worker.execute("SELECT count(*) FROM kinds")["rows"] == [[3]]
    except WorkerError as error:
        assert error.code == "database_unavailable"
        assert error.error["retryable"]
        return False


def test_a_restart_of_the_server_is_survived(new_database_worker, cluster, tables):
    worker = new_database_worker(limit_plan_cost=0)
    msgid = worker.start(ENDLESS)
    wait_for_query(cluster, tables)
    cluster.stop()
    with pytest.raises(WorkerError, match="database_unavailable.*administrator command"):
        worker.work.response(msgid)
    error = error_of(worker, "SELECT count(*) FROM kinds")
    assert error["code"] == "database_unavailable" and error["retryable"]
    assert '"shop"' in error["message"]
    cluster.start()
    process.wait_until(lambda: recovered(worker))


def test_a_new_configuration_is_taken_without_a_restart(new_database_worker, cluster, tables):
    worker = new_database_worker()
    assert worker.execute("SELECT id FROM big")["row_count"] == 1000
    pid = backend_of(cluster, tables)
    worker.configure(cluster.dsn(tables), limit_rows=10)
    assert worker.execute("SELECT id FROM big")["row_count"] == 10
    assert backend_of(cluster, tables) == pid
    worker.configure(cluster.dsn("shop"), limit_rows=10)
    process.wait_until(lambda: error_of(worker, "SELECT id FROM big").get("sqlstate") == "42P01")


def test_a_job_waits_for_the_first_connection(new_worker, cluster, tables, schema):
    worker = new_worker("optimax-database").configure(cluster.dsn(tables)).attach()
    worker.version = schema.version
    msgid = worker.start("SELECT count(*) FROM kinds")
    worker.give_schema(schema)
    assert worker.work.response(msgid)["execute_us"] > 0


REFUSED = {
    "superuser": ("ALTER ROLE r SUPERUSER", "a superuser", "CREATE ROLE"),
    "member of superuser": ("GRANT postgres TO r", "member of postgres", "REVOKE postgres FROM r;"),
    "createrole": ("ALTER ROLE r CREATEROLE", "CREATEROLE", "NOCREATEROLE"),
    "replication": ("ALTER ROLE r REPLICATION", "REPLICATION", "NOREPLICATION"),
    "server files": ("GRANT pg_read_server_files TO r", "pg_read_server_files",
                     "REVOKE pg_read_server_files FROM r"),
    "program": ("GRANT pg_execute_server_program TO r", "pg_execute_server_program", "REVOKE"),
    "signal": ("GRANT pg_signal_backend TO r", "pg_signal_backend", "REVOKE"),
    "owner": ("ALTER TABLE t OWNER TO r", "owns public.t", "CREATE ROLE optimax_reader"),
    "insert": ("GRANT INSERT ON t TO r", "write to public.t", "REVOKE INSERT"),
    "truncate": ("GRANT TRUNCATE ON t TO r", "write to public.t", "TRUNCATE"),
    "update of a column": ("GRANT UPDATE (id) ON t TO r", "write to public.t", "UPDATE"),
    "delete by PUBLIC": ("GRANT DELETE ON t TO PUBLIC", "write to public.t", "PUBLIC"),
    "insert by membership": ("CREATE ROLE w; GRANT INSERT ON t TO w; GRANT w TO r",
                             "write to public.t", "w, PUBLIC"),
    "insert by SET ROLE": ("ALTER ROLE r NOINHERIT; CREATE ROLE w; GRANT INSERT ON t TO w;"
                           " GRANT w TO r", "write to public.t", "w, PUBLIC"),
    "create": ("GRANT CREATE ON SCHEMA public TO r", "create objects in schema public",
               "REVOKE CREATE ON SCHEMA public"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_role_that_can_do_more_than_read_is_refused(name, new_worker, cluster):
    change, found, remedy = REFUSED[name]
    base = "CREATE TABLE t (id int);"
    database = cluster.create_database(base)
    try:
        cluster.psql("CREATE ROLE r LOGIN; " + change, database=database)
        watcher = new_worker("optimax-watcher").configure(cluster.dsn(database, "r")).attach()
        state = watcher.work.wait(lambda message: message[2][0]["state"] == "refused")[2][0]
        assert found in state["reason"] and remedy in state["reason"], state["reason"]
        worker = new_worker("optimax-database").configure(cluster.dsn(database, "r")).attach()
        worker.version = "none"
        error = error_of(worker, "SELECT id FROM t")
        assert (error["code"], error["retryable"]) == ("database_unavailable", False)
        assert found in error["message"]
    finally:
        cluster.drop_database(database)
        cluster.psql("DROP ROLE IF EXISTS r; DROP ROLE IF EXISTS w", database="postgres")


def test_a_plain_reader_is_accepted(new_worker, cluster, tables):
    watcher = new_worker("optimax-watcher").configure(cluster.dsn(tables)).attach()
    assert watcher.work.wait(lambda message: message[2][0]["state"] == "ready")


# ---- the cache ----

def entries(instance):
    done = process.run([BUILD / "optimax-check", "--verify", "--checksums", "--instance", instance,
                        "--size", str(16 << 20), "--max-value", str(1 << 20)])
    return int(re.search(r"verified (\d+) entr", done.stderr)[1])


def test_what_may_be_stored_is(worker, segments):
    for n in range(3):
        worker.execute(f"SELECT id FROM big WHERE id = {n}", key=b"key %d" % n)
    assert entries(segments) == 3
    worker.execute("SELECT now()", key=b"another")
    error_of(worker, "SELECT 1 / (id - 1) FROM big", key=b"a third")
    assert entries(segments) == 3


def test_a_result_over_the_largest_value_is_sent_all_the_same(new_database_worker, segments):
    worker = new_database_worker(limit_rows=20000)
    reply = worker.execute("SELECT a.name, b.name, a.name, b.name, a.name FROM big a JOIN big b"
                           " USING (id)", limit=20000)
    assert reply["row_count"] == 20000 and len(reply["pairs"]) > 1 << 20
    assert "cache.max_value" in reply["not_cached"]
    assert entries(segments) == 0


def test_a_result_is_stored_or_it_is_said_why_not(worker):
    assert "not_cached" not in worker.execute("SELECT id FROM big WHERE id = 1")
    assert "catalog" in worker.execute("SELECT relname FROM pg_class LIMIT 1")["not_cached"]
    assert "not_cached" in worker.execute("SELECT now()")
    assert "schema" in worker.execute("SELECT id FROM big WHERE id = 1", version="old")["not_cached"]


# ---- the watcher ----

def test_the_schema_is_read(schema):
    text = schema.text()
    for part in (b"kinds", b"timestamp with time zone", b"happy", b"a comment", b"city 4", b"round"):
        assert part in text, part
    assert b"longlong" not in text


class Tap:
    """A socket in front of PostgreSQL's that keeps what PostgreSQL says."""

    def __init__(self, folder, server):
        self.heard, self.server = bytearray(), server
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(folder / ".s.PGSQL.5432"))
        os.chmod(folder / ".s.PGSQL.5432", 0o777)
        self.listening.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, server = self.listening.accept()[0], socket.socket(socket.AF_UNIX)
                server.connect(self.server)
                threading.Thread(target=self.pass_on, args=(client, server, None), daemon=True).start()
                threading.Thread(target=self.pass_on, args=(server, client, self.heard), daemon=True).start()

    @staticmethod
    def pass_on(source, target, kept):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if kept is not None:
                    kept += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def close(self):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()


def test_private_values_do_not_leave_the_server(new_worker, cluster):
    database = cluster.create_database("""
        CREATE TABLE t (id int, open text, hidden text, "hid.den" text);
        CREATE SCHEMA other; CREATE TABLE other.t (hidden text);
        INSERT INTO t SELECT n, 'seen' || n % 3, 'whispered' || n % 3, 'murmured' || n % 3 FROM generate_series(1, 99) n;
        INSERT INTO other.t SELECT 'muttered' || n % 3 FROM generate_series(1, 99) n;
        GRANT USAGE ON SCHEMA other TO optimax_ro; GRANT SELECT ON t, other.t TO optimax_ro""")
    scratch = process.new_scratch("tap")
    for analyzed in (False, True):  # without statistics the watcher looks at the tables themselves
        if analyzed:
            cluster.psql("ANALYZE", database=database)
        folder = scratch / str(analyzed)
        folder.mkdir(mode=0o755)
        tap = Tap(folder, f"{cluster.scratch}/.s.PGSQL.5432")
        dsn = f"host={folder} dbname={database} user={cluster.ROLE}"
        watcher = new_worker("optimax-watcher").configure(
            dsn, schemas=["public", "other"], private_columns=["t.hidden", "public.t.hid.den"]).attach()
        text = Schema(watcher).text()
        tap.close()
        assert b"seen2" in text and b"seen2" in tap.heard
        for value in (b"whispered", b"murmured", b"muttered"):
            assert value not in text and value not in tap.heard
    process.remove_scratch(scratch)
    cluster.drop_database(database)


def test_a_change_of_the_catalog_is_noticed_and_data_alone_is_not(new_worker, cluster):
    database = cluster.create_database("CREATE TABLE t (id int); GRANT SELECT ON t TO optimax_ro")
    watcher = new_worker("optimax-watcher").configure(cluster.dsn(database)).attach()
    first = Schema(watcher)
    cluster.psql("INSERT INTO t SELECT generate_series(1, 100)", database=database)
    cluster.psql("ALTER TABLE t ADD COLUMN remark text", database=database)
    second = Schema(watcher)
    assert first.version != second.version
    assert b"remark" in second.text()
    os.close(first.fd)
    os.close(second.fd)
    cluster.drop_database(database)


def test_the_state_is_told_to_every_router(new_worker, cluster):
    database = cluster.create_database("CREATE TABLE t (id int)")
    watcher = new_worker("optimax-watcher").configure(cluster.dsn(database)).attach()

    def state(wanted):
        return watcher.work.wait(lambda message: message[2][0]["state"] == wanted)[2][0]

    assert state("ready")["database"] == "shop"
    watcher.attach()
    assert state("ready")
    cluster.stop()
    assert state("down")["reason"]
    cluster.start()
    assert state("ready")
    cluster.drop_database(database)


def test_a_watcher_starts_without_its_server(new_worker, cluster, tables):
    cluster.stop()
    watcher = new_worker("optimax-watcher").configure(cluster.dsn(tables)).attach()
    watcher.control.notification("ready")
    down = watcher.work.wait(lambda message: message[2][0]["state"] == "down")[2][0]
    assert "connection to server" in down["reason"]
    cluster.start()
    assert Schema(watcher).version
