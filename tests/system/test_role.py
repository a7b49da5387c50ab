"""The role: what is trusted and what is not, also later; doc/hardening.sql on a real server."""

import os

import pytest

import process
from cluster import SOURCE

RUNS = "SELECT count(*) FROM customers"
TAKEN = ["pg_advisory_lock(1)", "pg_terminate_backend(1)", "txid_current()", "lo_create(0)",
         "pg_logical_emit_message(false, 'a', 'b')", "pg_sleep(0)", "setseed(0.5)",
         "query_to_xml('SELECT 1', false, false, '')", "pg_export_snapshot()"]


@pytest.fixture
def role(cluster, database):
    """A role that may read the copy of the sample; none of it is left."""
    cluster.psql("CREATE ROLE reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", database)
    yield "reader"
    cluster.psql("DROP OWNED BY reader", database)
    cluster.psql("DROP ROLE reader", "postgres")


def test_a_trusted_role_is_used_whatever_it_may_do(new_daemon, cluster, database):
    entry = {"name": "shop", "dsn": cluster.dsn(database, "postgres")}
    daemon = new_daemon(databases=[entry])
    daemon.wait_state(database="shop", database_state="refused")
    error = daemon.error("sql", {"sql": RUNS})
    assert error.code == "database_unavailable" and not error.retryable
    for part in ("superuser", "CREATE ROLE optimax_ro", "trust_role: true"):
        assert part in error.message, error.message
    daemon.configure({"databases": [{**entry, "trust_role": True}]})
    assert daemon.call("reload", control=True)["changed"] == ["databases[shop].trust_role"]
    daemon.wait_serving()
    assert daemon.sql(RUNS)["row_count"] == 1
    # The other layers stand as they did.
    assert daemon.error("sql", {"sql": "DELETE FROM reviews"}).code == "sql_rejected"
    daemon.configure({"databases": [entry]})
    daemon.call("reload", control=True)
    daemon.wait_state(database="shop", database_state="refused")
    assert daemon.error("sql", {"sql": RUNS, "no_cache": True}).code == "database_unavailable"


def test_a_role_is_looked_at_again_while_it_is_connected(new_daemon, cluster, database, role):
    daemon = new_daemon(databases=[{"name": "shop", "dsn": cluster.dsn(database, role)}])
    daemon.wait_serving()
    daemon.sql(RUNS)
    cluster.psql("GRANT INSERT ON reviews TO reader", database)
    daemon.wait_state(database="shop", database_state="refused")
    error = daemon.error("sql", {"sql": RUNS, "no_cache": True})
    assert error.code == "database_unavailable" and "write to public.reviews" in error.message
    cluster.psql("REVOKE INSERT ON reviews FROM reader", database)
    daemon.wait_state(database="shop", database_state="ready")
    assert daemon.sql(RUNS, no_cache=True)["row_count"] == 1


def test_the_hardening_script_makes_a_role_that_is_accepted(new_daemon, cluster, database):
    script = (SOURCE / "doc/hardening.sql").read_text()

    def run(user, sql):
        argv = [cluster.bin / "psql", "-X", "-q", "-At", "-h", cluster.scratch, "-U", user, "-d", database]
        return process.run([*argv, "-v", "role=hardened", "-f", "-"], input=sql,
                           env={**os.environ, "PGCLIENTENCODING": "UTF8"})

    cluster.psql("CREATE ROLE bystander LOGIN; CREATE ROLE hardened LOGIN CREATEDB;"
                 "GRANT ALL ON ALL TABLES IN SCHEMA public TO hardened", database)
    try:
        for _ in range(2):  # once more changes nothing
            done = run("postgres", script)
            assert done.returncode == 0 and not done.stderr, done.stderr
        for call in TAKEN:
            assert "permission denied for function" in run("hardened", f"SELECT {call}").stderr, call
        assert run("bystander", "SELECT pg_advisory_lock(1), pg_sleep(0)").returncode == 0
        assert run("hardened", "SHOW temp_file_limit").stdout == "1GB\n"
        assert "permission denied" in run("hardened", "SET temp_file_limit = -1").stderr
        daemon = new_daemon(databases=[{"name": "shop", "dsn": cluster.dsn(database, "hardened")}])
        daemon.wait_serving()
        assert daemon.sql(RUNS)["row_count"] == 1
        assert daemon.ask("How many customers are there?")["row_count"] == 1
        daemon.stop()
    finally:
        cluster.psql("DROP OWNED BY hardened; DROP OWNED BY bystander", database)
        cluster.psql("DROP ROLE hardened; DROP ROLE bystander", "postgres")
