"""What a client gets: rows, errors and figures, by python3-msgpack alone."""

import math

import msgpack
import pytest

import process
from client import RpcError

# Hours of work that the planner takes for little: it can't see through the sub-selects.
SLOW = ("SELECT count(*) AS slow_{} FROM generate_series(1, (SELECT 1000000)) a, "
        "generate_series(1, (SELECT 1000000)) b")


def test_a_question_then_the_same_from_the_cache(daemon):
    first = daemon.ask("How many customers are there?")
    assert (first["route"], first["via"], first["cached"]) == ("sql", "heuristic", False)
    assert first["rows"] == [[4000]] and first["row_count"] == 1
    assert first["provider"] == "rules" and "count(*)" in first["sql"].lower()
    again = daemon.ask("How   many customers are there? ")
    assert (again["via"], again["cached"], again["rows"]) == ("cache", True, first["rows"])
    assert again["age_ms"] >= 0 and "confidence" not in again
    assert "execute" in first["timing_us"] and "execute" not in again["timing_us"]


def test_two_wordings_share_one_result(daemon):
    one = daemon.ask("How many customers are there?")
    other = daemon.ask("what is the number of customers?")
    assert other["sql"] == one["sql"] and other["cached"]


def test_case_can_be_the_meaning(daemon):
    daemon.ask("How many customers are there?")
    assert not daemon.sql("SELECT 'a' AS x")["cached"]
    assert not daemon.sql("SELECT 'A' AS x")["cached"]


def test_sql_types(daemon):
    reply = daemon.sql("""
        SELECT 1::int2, 2::int4, 3::int8, true, 1.5::float8, 'NaN'::float8, '-Infinity'::float4,
               12345678901234567890.123::numeric, 'x'::text, '\\xdeadbeef'::bytea, NULL::int,
               DATE '2024-02-29', INTERVAL '1 day 2 hours', ARRAY[1,2]""")
    row = reply["rows"][0]
    assert row[:5] == [1, 2, 3, True, 1.5]
    assert math.isnan(row[5]) and row[6] == -math.inf
    assert row[7:11] == ["12345678901234567890.123", "x", b"\xde\xad\xbe\xef", None]
    assert row[11:] == ["2024-02-29", "1 day 02:00:00", "{1,2}"]
    assert [c["type"] for c in reply["columns"]][:5] == ["smallint", "integer", "bigint", "boolean", "double precision"]
    assert (reply["via"], reply["database"], reply["truncated"]) == ("client", "shop", False)


def test_limit_and_truncated(daemon):
    five = daemon.sql("SELECT id FROM orders ORDER BY id LIMIT 5", limit=5)
    assert (five["row_count"], five["truncated"]) == (5, False)
    cut = daemon.sql("SELECT id FROM orders ORDER BY id", limit=5)
    assert (cut["row_count"], cut["truncated"], len(cut["rows"])) == (5, True, 5)
    most = daemon.sql("SELECT id FROM orders ORDER BY id", limit=10**9)
    assert (most["row_count"], most["truncated"]) == (1000, True)
    assert daemon.error("sql", {"sql": "SELECT 1", "limit": 0}).code == "bad_request"


def test_no_cache_reads_nothing_but_stores(daemon):
    sql = "SELECT 40 + 2 AS answer"
    assert not daemon.sql(sql, no_cache=True)["cached"]
    assert daemon.sql(sql)["cached"]
    assert not daemon.sql(sql, no_cache=True)["cached"]


def test_a_result_ages(daemon):
    sql = "SELECT count(*) FROM products"
    assert not daemon.sql(sql)["cached"]
    daemon.advance(10)
    hit = daemon.sql(sql)
    assert hit["cached"] and hit["age_ms"] >= 10_000
    assert not daemon.sql(sql, max_age_ms=5_000)["cached"]
    assert daemon.sql(sql, max_age_ms=5_000)["cached"]
    daemon.advance(31)  # cache.ttl.sql_polled: no trigger tells of changes
    assert not daemon.sql(sql)["cached"]


def test_what_has_a_clock_in_it_is_not_cached(daemon):
    for sql in ("SELECT now()", "SELECT 'today'::date", "SELECT random()"):
        assert not daemon.sql(sql)["cached"]
        reply = daemon.sql(sql, explain=True)
        assert not reply["cached"]
        assert [r["signal"] for r in reply["reasons"]] == ["not_cached"], reply["reasons"]


def test_flush(daemon):
    customers, orders = "SELECT count(*) FROM customers", "SELECT count(*) FROM orders"

    def cached():
        return [daemon.sql(customers)["cached"], daemon.sql(orders)["cached"]]

    assert cached() == [False, False] and cached() == [True, True]
    assert daemon.call("flush", {}, control=True)["flushed"] >= 2
    assert cached() == [False, False]
    assert daemon.call("flush", {"database": "shop", "table": "orders"}, control=True)["flushed"] == 2
    assert cached() == [True, False]
    daemon.call("flush", {"type": "chat"}, control=True)
    assert cached() == [True, True]
    assert daemon.error("flush", {"table": "orders"}, control=True).code == "bad_request"
    assert daemon.error("flush", {"type": "nothing"}, control=True).code == "bad_request"


def test_refused_sql_names_what_and_where(daemon):
    error = daemon.error("sql", {"sql": "SELECT pg_sleep(1)"})
    assert (error.code, error.detail) == ("sql_rejected", "function")
    assert "pg_sleep" in error.message and "character 8" in error.message
    error = daemon.error("sql", {"sql": "SELECT 1; DROP TABLE orders"})
    assert (error.code, error.detail) == ("sql_rejected", "multiple")
    assert daemon.error("sql", {"sql": "SELECT 1/0"}).sqlstate == "22012"


def test_check_never_runs(daemon):
    allowed = daemon.call("check", {"sql": "SELECT * FROM orders o JOIN customers c ON c.id = o.customer_id"})
    assert allowed["verdict"] == "allow"
    assert allowed["tables"] == ["public.customers", "public.orders"]
    refused = daemon.call("check", {"sql": "DELETE FROM orders"})
    assert (refused["verdict"], refused["code"]) == ("reject", "not_select")
    assert daemon.call("check", {"sql": "SELECT 1" + " " * 9000})["code"] == "too_long"


def test_schema(daemon):
    schema = daemon.call("schema")
    tables = {t["name"]: t for t in schema["schemas"][0]["tables"]}
    assert schema["database"] == "shop" and schema["schemas"][0]["name"] == "public"
    assert {"orders", "customers", "products"} <= set(tables)
    orders = tables["orders"]
    assert orders["primary_key"] == ["id"] and orders["kind"] == "table" and orders["comment"]
    assert any(key["references"]["table"] == "customers" for key in orders["foreign_keys"])
    status = next(c for c in orders["columns"] if c["name"] == "status")
    assert "delivered" in status["labels"]
    one = daemon.call("schema", {"table": "public.orders"})
    assert [t["name"] for t in one["schemas"][0]["tables"]] == ["orders"]
    assert daemon.error("schema", {"table": "nothing"}).code == "bad_request"


def test_a_changed_schema_is_seen(new_daemon, cluster, database):
    daemon = new_daemon(databases=[{"name": "shop", "dsn": cluster.dsn(database)}])
    daemon.wait_state("ready")
    version = daemon.call("schema")["version"]
    cluster.psql("CREATE TABLE gift_cards (id int PRIMARY KEY, amount int); GRANT SELECT ON gift_cards TO optimax_ro",
                 database, user=cluster.OWNER)

    def seen():
        """the new table in the schema"""
        return daemon.call("schema")["version"] != version

    process.wait_until(seen, 20)
    assert daemon.ask("How many gift cards are there?")["rows"] == [[0]]


def test_route_gives_its_reasons(daemon):
    data = daemon.call("route", {"text": "How many orders were cancelled in 2024?"})
    assert data["route"] == "sql" and data["confidence"] > 0.75
    assert {"signal", "text", "weight"} <= set(data["reasons"][0])
    chat = daemon.call("route", {"text": "Write me a poem about the sea"})
    assert chat["route"] == "chat" and chat["reasons"][0]["weight"] < 0


def test_text_that_is_sql_is_run(daemon):
    reply = daemon.ask("SELECT count(*) FROM orders WHERE status = 'cancelled'")
    assert reply["route"] == "sql" and "provider" not in reply
    assert daemon.error("ask", {"question": "DROP TABLE orders"}).code == "sql_rejected"


def test_chat_without_a_model(daemon):
    assert daemon.error("ask", {"question": "Select a good restaurant for me"}).code in ("no_model", "unanswerable")
    assert daemon.error("ask", {"question": "hello", "route": "chat"}).code == "no_model"


def test_a_question_it_declines(daemon):
    error = daemon.error("ask", {"question": "How many customers are unhappy?", "route": "sql"})
    assert error.code == "unanswerable" and "unhappy" in error.message


def test_history_is_accepted_and_part_of_the_key(daemon):
    history = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    question = "How many products are there?"
    daemon.ask(question)
    assert daemon.ask(question, history=history)["rows"] == daemon.ask(question)["rows"]
    for bad in ([{"role": "king", "content": "x"}], [{"role": "user"}], "x", [1], {}):
        assert daemon.error("ask", {"question": question, "history": bad}).code == "bad_request"


def test_stream(daemon):
    client = daemon.client()
    for _ in range(2):  # from PostgreSQL, then from the cache
        msgid = client.send("sql", {"sql": "SELECT id, email FROM customers ORDER BY id LIMIT 3", "stream": True})
        reply = client.wait(msgid)
        assert reply["rows"] == [] and reply["row_count"] == 3
        deltas = [params for method, params in client.notifications if method == "delta"]
        client.notifications.clear()
        assert [d[0] for d in deltas] == [msgid] * len(deltas)
        assert [d[1] for d in deltas] == list(range(len(deltas)))
        assert [c["name"] for c in deltas[0][2]["columns"]] == ["id", "email"]
        assert len([row for d in deltas[1:] for row in d[2]["rows"]]) == 3


@pytest.mark.parametrize("method, params, code", [
    ("ask", {}, "bad_request"),
    ("ask", {"question": "   "}, "bad_request"),
    ("ask", {"question": "x", "qestion": "y"}, "bad_request"),
    ("ask", {"question": "x", "route": "maybe"}, "bad_request"),
    ("ask", {"question": "x" * 40000}, "too_large"),
    ("ask", {"question": "x", "database": "nowhere"}, "unknown_database"),
    ("sql", {"sql": "SELECT 1" + " " * 9000}, "too_large"),
    ("sql", {"sql": "SELECT 1", "timeout_ms": 0}, "bad_request"),
    ("status", None, "forbidden"),
    ("flush", {}, "forbidden"),
    ("nonsense", None, "unknown_method"),
])
def test_bad_requests_leave_the_connection_open(shared_daemon, method, params, code):
    client = shared_daemon.client()
    with pytest.raises(RpcError) as caught:
        client.call(method, params)
    assert caught.value.code == code
    assert client.call("ping")["protocol"] == 1


def test_ping_and_stats(daemon):
    ping = daemon.call("ping")
    assert ping["instance"] == daemon.instance and ping["version"]
    daemon.ask("How many customers are there?")
    daemon.ask("How many customers are there?")
    daemon.error("sql", {"sql": "DROP TABLE orders"})
    stats = daemon.stats()
    assert stats["total_requests"] == 3
    assert stats["heuristic_routing"]["hits"] == 1 and stats["heuristic_routing"]["percentage"] == 100.0
    assert stats["cache_stats"]["sql"]["hits"] == 2 and stats["cache_stats"]["sql"]["entries"] == 2
    assert stats["response_times"]["p50_ms"] > 0
    assert sorted({w["role"] for w in stats["workers"]}) == ["database", "inference", "router", "watcher"]
    assert all(w["state"] == "ready" for w in stats["workers"])
    daemon.call("reset_stats", control=True)
    assert daemon.stats()["total_requests"] == 0


def test_pipelined_replies_all_come(daemon):
    client = daemon.client()
    ids = [client.send("sql", {"sql": f"SELECT {i % 50}"}) for i in range(500)]
    assert [client.wait(msgid)["rows"] for msgid in ids] == [[[i % 50]] for i in range(500)]


def test_msgid_in_flight_is_refused(daemon):
    client = daemon.client()
    client.send_bytes(b"".join(msgpack.packb([0, 9, "sql", [{"sql": sql}]])
                      for sql in ("SELECT count(*) FROM generate_series(1, 3000000)", "SELECT 1")))
    first, second = client.receive(), client.receive()
    assert first[1] == second[1] == 9
    assert first[2]["code"] == "bad_request" and "in flight" in first[2]["message"]
    assert second[2] is None


def test_cancel_stops_the_query(daemon, cluster):
    client = daemon.client()
    msgid = client.send("sql", {"sql": SLOW.format("a")})

    def running():
        """the query in pg_stat_activity"""
        return cluster.psql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%AS slow_a%' "
                            "AND usename = 'optimax_ro' AND state = 'active'") == [["1"]]

    process.wait_until(running)
    client.cancel(msgid)
    client.cancel(4711)  # unknown: ignored
    with pytest.raises(RpcError) as caught:
        client.wait(msgid)
    assert caught.value.code == "cancelled"
    process.wait_until(lambda: not running())
    assert daemon.sql("SELECT 1")["rows"] == [[1]]


def test_a_client_that_leaves_cancels_too(daemon, cluster):
    client = daemon.client()
    client.send("sql", {"sql": SLOW.format("b")})

    def running():
        """the query in pg_stat_activity"""
        return cluster.psql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%AS slow_b%' "
                            "AND usename = 'optimax_ro' AND state = 'active'") == [["1"]]

    process.wait_until(running)
    client.close()
    process.wait_until(lambda: not running())


def test_deadline(daemon):
    error = daemon.error("sql", {"sql": SLOW.format("a"), "timeout_ms": 150})
    assert error.code == "timeout"
    assert daemon.sql("SELECT 2")["rows"] == [[2]]


def test_single_flight(new_daemon, shop):
    daemon = new_daemon(databases=[{**shop, "workers": 4}])
    daemon.wait_state("ready")
    client = daemon.client()
    sql = "SELECT count(*) FROM generate_series(1, 1500000)"
    ids = [client.send("sql", {"sql": sql}) for _ in range(20)]
    replies = [client.wait(msgid) for msgid in ids]
    assert [r["rows"] for r in replies] == [[[1500000]]] * 20
    stats = daemon.stats()["cache_stats"]["sql"]
    assert stats["entries"] == 1
    assert len({r["timing_us"]["execute"] for r in replies if not r["cached"]}) == 1


def test_a_full_queue_says_so(new_daemon, shop):
    daemon = new_daemon(databases=[{**shop, "workers": 1, "queue": 2}])
    daemon.wait_state("ready")
    client = daemon.client()
    ids = [client.send("sql", {"sql": f"SELECT count(*) + {i} FROM generate_series(1, 1000000)"}) for i in range(6)]
    errors = [client.wait_reply(msgid)[0] for msgid in ids]
    codes = [error["code"] for error in errors if error]
    assert codes == ["overloaded"] * 3
    assert all(error["retry_after_ms"] > 0 for error in errors if error)
