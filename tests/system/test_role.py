"""The role: what is trusted and what is not, also later; doc/hardening.sql on a real server."""

import os
import re

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
    for part in ("superuser", "CREATE ROLE optimax_reader", "trust_role: true"):
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


# Each makes a role {reader} that is refused; {team} is another that it may be a member of.
REFUSED = {
    "superuser": "ALTER ROLE {reader} SUPERUSER",
    "member of one": "GRANT postgres TO {reader}",
    "CREATEDB": "ALTER ROLE {reader} CREATEDB",
    "CREATEROLE of a team": "ALTER ROLE {team} CREATEROLE; GRANT {team} TO {reader}",
    "REPLICATION": "ALTER ROLE {reader} REPLICATION",
    "signals": "GRANT pg_signal_backend TO {reader}",
    "files by a team": "GRANT pg_read_server_files TO {team}; GRANT {team} TO {reader}",
    "programs without inheritance": "ALTER ROLE {reader} NOINHERIT; GRANT pg_execute_server_program TO {reader}",
    "owner": "ALTER TABLE reviews OWNER TO {reader}",
    "owner by a team": "ALTER TABLE reviews OWNER TO {team}; GRANT {team} TO {reader}",
    "owner of the schema": "ALTER SCHEMA public OWNER TO {reader}",
    "owner of the database": "ALTER SCHEMA public OWNER TO pg_database_owner; ALTER DATABASE {database} OWNER TO {reader}",
    "one grant": "GRANT TRUNCATE ON reviews TO {reader}",
    "a column for all": "GRANT UPDATE (rating) ON reviews TO PUBLIC",
    "grants by a team": "GRANT DELETE ON reviews TO {team}; GRANT {team} TO {reader}",
    "CREATE": "GRANT CREATE ON SCHEMA public TO {reader}",
    "CREATE for all": "GRANT CREATE ON SCHEMA public TO PUBLIC",
}


def test_the_sql_of_a_refusal_mends_it(new_daemon, cluster):
    entries, names = {}, {}
    for number, (kind, sql) in enumerate(REFUSED.items()):
        name = names[kind] = {"reader": f"reader{number}", "team": f"team{number}",
                              "database": cluster.create_database()}
        cluster.psql("CREATE ROLE {reader} LOGIN; CREATE ROLE {team}; GRANT SELECT ON ALL TABLES IN SCHEMA public "
                     "TO {reader}; ".format(**name) + sql.format(**name), name["database"])
        entries[kind] = {"name": f"db{number}", "workers": 1, "dsn": cluster.dsn(name["database"], name["reader"])}
    daemon = new_daemon(databases=list(entries.values()))
    mended = set()

    def states():
        return {entry["name"]: entry for entry in daemon.status()["databases"]}

    def mend(kind, reason):
        sql = re.fullmatch(r"the role is refused: .*?; OptimaX only works with a role that can do nothing but read: "
                           r"(.*); or set trust_role: true for this database", reason)[1]
        sql, _, other = sql.partition("; and name it in the dsn")
        if sql.startswith("CREATE ROLE "):
            role = sql.split()[2]
            # Each kind makes its own of that name here.
            cluster.psql(sql.replace(role, f"{role}_{names[kind]['reader']}"), names[kind]["database"])
            entries[kind]["dsn"] = cluster.dsn(names[kind]["database"], f"{role}_{names[kind]['reader']}")
            daemon.configure({"databases": list(entries.values())})
            daemon.call("reload", control=True)
        else:
            cluster.psql(sql, names[kind]["database"])
        mended.add(kind)

    def all_are_ready():
        """what each refusal says has made its role one that is accepted"""
        daemon.read_notifications()  # the supervisor would wait for room otherwise
        now = states()
        for kind, entry in entries.items():
            state = now[entry["name"]]
            seen = (kind, state.get("reason"))
            if state["state"] == "refused" and seen not in tried:
                tried.add(seen)
                mend(kind, state["reason"])
        return all(state["state"] == "ready" for state in now.values())

    tried = set()
    try:
        process.wait_until(all_are_ready, timeout=60)
        assert mended == set(REFUSED)
        for entry in entries.values():
            assert daemon.sql(RUNS, database=entry["name"])["row_count"] == 1
    finally:
        daemon.stop()
        for name in names.values():
            cluster.drop_database(name["database"])
        for name in names.values():
            for role in (name["reader"], name["team"], f"optimax_reader_{name['reader']}"):
                cluster.psql(f"DROP ROLE IF EXISTS {role}", "postgres")


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
