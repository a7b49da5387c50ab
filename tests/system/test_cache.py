"""The cache and the metrics from outside: flush, statistics, verify, top."""

import subprocess

import process


def locked(cluster, table):
    """A psql that holds the table's lock until it is killed."""
    sql = f"BEGIN; LOCK TABLE {table}; SELECT 'held'; SELECT pg_sleep(600)"
    psql = process.start([cluster.bin / "psql", "-X", "-q", "-At", "-h", cluster.scratch, "-U", "postgres",
                          "-d", "shop", "-f", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/")
    psql.stdin.write("".join(f"{part};\n" for part in sql.split("; ")).encode())
    psql.stdin.flush()
    assert psql.stdout.readline() == b"held\n"
    return psql


def unlock(cluster, psql):
    cluster.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(600)%'")
    psql.communicate()


def test_what_was_asked_before_a_flush_is_not_kept_after_it(new_daemon, cluster, shop):
    daemon = new_daemon(databases=[{**shop, "workers": 2}])
    daemon.wait_serving()
    question = "How many orders are there?"
    psql = locked(cluster, "orders")
    try:
        client = daemon.client()
        early = client.send("ask", {"question": question, "explain": True})

        def waits():
            """the query in pg_stat_activity, waiting for the lock"""
            return cluster.psql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'optimax_ro' "
                                "AND wait_event_type = 'Lock'") == [["1"]]

        process.wait_until(waits)
        daemon.call("flush", {}, control=True)
    finally:
        unlock(cluster, psql)
    early = client.wait(early)
    assert not early["cached"]
    assert "flushed" in [r["text"] for r in early["reasons"] if r["signal"] == "not_cached"][0]
    late = daemon.ask(question)
    assert not late["cached"] and "generate" in late["timing_us"], "the statement is not kept either"
    assert daemon.ask(question)["cached"]
