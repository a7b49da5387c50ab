"""The cache and the metrics from outside: flush, statistics, verify, top."""

import os
import signal
import subprocess

import pytest

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


def fill(daemon):
    for limit in range(1, 6):
        daemon.sql("SELECT * FROM orders", limit=limit * 40)
        daemon.sql("SELECT * FROM orders", limit=limit * 40)
    daemon.ask("How many orders are there?")


def test_verify_finds_a_sound_cache(daemon):
    fill(daemon)
    found = daemon.ctl_json("cache", "verify")
    assert found["shards"] > 0 and found["entries"] >= 6 and found["checksums"] is True
    assert (found["repaired"], found["skipped"], found["lost"]) == (0, 0, 0)
    shown = daemon.ctl("cache", "verify")
    assert shown.returncode == 0 and "all sound" in shown.stdout


def scribble(daemon):
    """Into an entry of the type result."""
    segment, = [path for path in daemon.segments() if not path.name.endswith("-metrics")]
    with open(segment, "r+b") as file:
        data = file.read()
        at = data.rindex(b"order_id") if b"order_id" in data else data.rindex(b"columns")
        file.seek(at)
        file.write(b"X")


def test_verify_repairs_what_was_scribbled_over(daemon):
    fill(daemon)
    scribble(daemon)
    found = daemon.ctl_json("cache", "verify")
    assert found["repaired"] == 1 and found["lost"] == 1, found
    assert daemon.ctl_json("cache", "verify")["repaired"] == 0
    assert daemon.sql("SELECT 1")["rows"] == [[1]]
    stats = daemon.stats()["cache_stats"]
    assert stats["repairs"] == 1 and stats["sql"]["lost"] == 1


def test_verify_does_not_stop_the_daemon(daemon):
    """Answers to others come while one waits for the checker, and more than a few are refused."""
    client = daemon.client(control=True)
    ids = [client.send("cache_verify") for _ in range(12)]
    assert daemon.sql("SELECT 1")["rows"] == [[1]]
    replies = [client.wait_reply(msgid) for msgid in ids]
    good = [result for error, result in replies if error is None]
    assert good and all(one["repaired"] == 0 for one in good)
    assert all(error["code"] == "overloaded" and error["retry_after_ms"] for error, _ in replies if error)


def test_top_lists_entries_without_their_text(daemon):
    fill(daemon)
    top = daemon.call("cache_top", {}, control=True)
    assert top["by"] == "size"
    assert top["total_entries"] == len(top["entries"])
    assert top["total_bytes"] == sum(entry["bytes"] for entry in top["entries"])
    sizes = [entry["bytes"] for entry in top["entries"]]
    assert len(sizes) >= 6 and sizes == sorted(sizes, reverse=True)
    for entry in top["entries"]:
        assert set(entry) <= {"type", "database", "bytes", "age_ms", "left_ms", "cost_ms", "uses"}
        assert entry["database"] == "shop" and entry["age_ms"] >= 0 and entry["left_ms"] > 0
    assert {entry["type"] for entry in top["entries"]} == {"statement", "result"}
    uses = [entry["uses"] for entry in daemon.call("cache_top", {"by": "use"}, control=True)["entries"]]
    assert uses == sorted(uses, reverse=True) and uses[0] >= 1
    costs = [entry["cost_ms"] for entry in
             daemon.call("cache_top", {"by": "cost", "type": "sql", "limit": 3}, control=True)["entries"]]
    assert len(costs) == 3 and costs == sorted(costs, reverse=True)
    assert daemon.call("cache_top", {"type": "llm"}, control=True)["entries"] == []
    for params in ({"by": "age"}, {"type": "result"}, {"limit": 0}, {"limit": 101}, {"key": "x"}):
        assert daemon.error("cache_top", params, control=True).code == "bad_request", params
    assert daemon.error("cache_top").code == "forbidden"
    assert daemon.error("cache_verify").code == "forbidden"
    shown = daemon.ctl("cache", "top", "--by", "size", "--limit", "2")
    assert shown.returncode == 0 and f"2 of {top['total_entries']} entries (" in shown.stdout and "SELECT" not in shown.stdout
    assert daemon.ctl("cache", "empty").returncode == 2
    assert daemon.ctl("cache", "verify", "--by", "size").returncode == 2


def test_figures_with_the_router_stopped(daemon):
    fill(daemon)
    before = daemon.stats()
    pid = daemon.kill("router", signal.SIGSTOP)
    try:
        read = daemon.ctl_json("stats", "--segment", daemon.instance)
        again = [daemon.ctl_json("stats", "--segment", name)
                 for name in (f"/optimax-{daemon.instance}-metrics", f"optimax-{daemon.instance}",
                              f"/dev/shm/optimax-{daemon.instance}-metrics")]
        shown = daemon.ctl("stats", "--segment", daemon.instance)
    finally:
        os.kill(pid, signal.SIGCONT)
    for key in ("total_requests", "heuristic_routing", "cache_stats"):
        assert all(figures[key] == before[key] for figures in [read, *again])
    assert read["response_times"]["p999_ms"] >= read["response_times"]["p50_ms"] > 0
    assert "workers" not in read and "uptime_s" not in read
    assert shown.returncode == 0 and shown.stdout.startswith("requests        11\n")
    gone = daemon.ctl("stats", "--segment", "no-such-instance")
    assert gone.returncode == 3 and "no_segment" in gone.stderr
    assert daemon.ctl("stats", "--segment", daemon.instance, "--reset").returncode == 2


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGILL])
def test_stats_count_repairs(daemon, number):
    assert daemon.stats()["cache_stats"]["repairs"] == 0
    fill(daemon)
    assert daemon.stats()["cache_stats"]["sql"]["lost"] == 0
    scribble(daemon)
    daemon.kill("watcher", number)  # such a death has every checksum looked at

    def repaired():
        """the repair in the statistics"""
        return daemon.stats()["cache_stats"]["repairs"] == 1

    process.wait_until(repaired)
    stats = daemon.stats()["cache_stats"]
    assert stats["sql"]["lost"] == 1 and stats["llm"]["lost"] == 0
    assert daemon.stats()["response_times"]["p999_ms"] >= 0
