"""SQL of a model that is refused or fails goes back to it with the error, where that can help."""

import json
import threading

import pytest

from fake_model import FakeModel, refuse, say
from test_models import provider, with_shop  # noqa: F401  (a fixture)

GOOD = "SELECT count(*) AS n FROM orders"
NO_COLUMN = "SELECT sum(no_such_column) FROM orders"
QUESTION = {"question": "how many of them are there", "route": "sql"}


def sql(*statements):
    return [say(json.dumps({"sql": statement})) for statement in statements]


def last_words(request):
    return request.messages[-1]["content"]


BROKEN = [
    (NO_COLUMN, "sql_error", "no_such_column"),
    ("SELECT count(*) FROM no_such_table", "sql_rejected", "no_such_table"),
    ("SELECT cuont(*) FROM orders", "sql_rejected", "cuont"),
    ("SELECT count(* FROM orders", "sql_rejected", "syntax"),
    ("SELECT pg_sleep(1)", "sql_rejected", "pg_sleep"),
    ("DELETE FROM orders", "sql_rejected", "SELECT"),
    ("SELECT customer_id, count(*) FROM orders", "sql_error", "GROUP BY"),
    ("SELECT count(*) FROM orders; SELECT 1", "sql_rejected", "one at a time"),
]


def test_another_wording_is_asked_for(with_shop):
    with FakeModel() as model:
        daemon = with_shop(provider(model, models={"sql": "small", "hard": "strong"}))
        for number, (broken, code, why) in enumerate(BROKEN):
            model.script(*sql(broken, GOOD))
            question = f"how many of kind {number} are there"
            reply = daemon.ask(question, route="sql", explain=True)
            assert reply["sql"] == GOOD and reply["rows"][0][0] > 0 and reply["repairs"] == 1, broken
            [attempt] = [reason["text"] for reason in reply["reasons"] if reason["signal"] == "attempt"]
            assert attempt.startswith(code) and why in attempt and broken in attempt
            first, second = model.requests
            assert second.body["model"] == "strong" and first.body["model"] == "small"
            assert "You mend SQL" in second.messages[0]["content"]
            assert "<error>" in last_words(second) and why in last_words(second)
            assert "CREATE TABLE orders (" in last_words(second) and question in last_words(second)
            # What came of it is what the question gives from now on.
            assert daemon.ask(question, route="sql")["cached"] and len(model.requests) == 2
        assert daemon.stats()["sql_repairs"] == {"asked": len(BROKEN), "mended": len(BROKEN)}


def test_at_most_twice(with_shop):
    with FakeModel([say(lambda request: json.dumps({"sql": f"{NO_COLUMN} -- {len(model.requests)}"}))]) as model:
        daemon = with_shop(provider(model))
        error = daemon.error("ask", {**QUESTION, "explain": True})
        assert error.code == "sql_error" and error.error["sqlstate"] == "42703" and len(model.requests) == 3
        assert [reason["signal"] for reason in error.error["reasons"]] == ["attempt", "attempt"]
        assert "reasons" not in daemon.error("ask", {**QUESTION, "question": "and these"}).error
        assert daemon.stats()["sql_repairs"] == {"asked": 4, "mended": 0}
        done = daemon.ctl("ask", "--explain", "--route", "sql", "and those")
        assert done.returncode == 1 and done.stdout.count("no_such_column") >= 2
        # None of that is kept: it would be given again.
        assert daemon.stats()["cache_stats"]["llm"]["hits"] == 0


def test_the_same_once_more_ends_it(with_shop):
    with FakeModel(sql(NO_COLUMN)) as model:
        daemon = with_shop(provider(model))
        error = daemon.error("ask", {**QUESTION, "explain": True})
        assert error.code == "sql_error" and len(model.requests) == 2
        assert "same statement" in error.error["reasons"][1]["text"]


def test_the_second_repair_may_succeed(with_shop):
    with FakeModel(sql("SELECT pg_sleep(1)", NO_COLUMN, GOOD)) as model:
        reply = with_shop(provider(model)).ask(**QUESTION)
        assert reply["repairs"] == 2 and reply["sql"] == GOOD
        assert "pg_sleep" in last_words(model.requests[1])
        assert "no_such_column" in last_words(model.requests[2]) and "pg_sleep" not in last_words(model.requests[2])


def test_what_is_no_sql_at_all_goes_back_too(with_shop):
    with FakeModel([say("I would rather talk about the weather"), *sql(GOOD)]) as model:
        daemon = with_shop(provider(model))
        reply = daemon.ask(explain=True, **QUESTION)
        assert reply["sql"] == GOOD and reply["repairs"] == 1
        assert "the weather" in last_words(model.requests[1]) and 'object with "sql"' in last_words(model.requests[1])
        assert "the weather" in reply["reasons"][0]["text"]


def test_none_where_none_are_configured(with_shop):
    with FakeModel(sql(NO_COLUMN, GOOD)) as model:
        daemon = with_shop()
        daemon.configure({"inference": {"repairs": 0, "providers": [provider(model)]}})
        daemon.call("reload", control=True)
        assert daemon.error("ask", QUESTION).code == "sql_error" and len(model.requests) == 1
        assert daemon.stats()["cache_stats"]["llm"]["entries"] == 0
        # The refused completion is not kept: the model is asked again.
        assert daemon.ask(**QUESTION)["sql"] == GOOD and len(model.requests) == 2


@pytest.mark.parametrize("statement, limits, code, state", [
    ("SELECT count(*) FROM secrets", {}, "sql_rejected", "42501"),
    ("SELECT count(*) FROM generate_series(1, 100000000)", {"time": "50ms", "plan_cost": 10**12}, "timeout", None),
    ("SELECT count(*) FROM orders a, orders b", {"plan_cost": 10}, "sql_rejected", None),
    ("SELECT 1 / (count(*) - count(*)) FROM orders", {}, "sql_error", "22012"),
    ("SELECT name::int FROM customers", {}, "sql_error", "22P02"),
])
def test_never_where_wording_is_not_the_fault(new_daemon, cluster, database, statement, limits, code, state):
    cluster.psql("CREATE TABLE secrets (id int)", database)
    with FakeModel(sql(statement)) as model:
        daemon = new_daemon(databases=[{"name": "shop", "dsn": cluster.dsn(database), "limits": limits}],
                            config={"inference": {"providers": [provider(model)]}})
        daemon.wait_serving()
        error = daemon.error("ask", QUESTION)
        assert error.code == code and error.error.get("sqlstate") == state
        assert len(model.requests) == 1 and daemon.stats()["sql_repairs"]["asked"] == 0


def test_who_can_not_mend_it_leaves_the_first_error(with_shop):
    with FakeModel([*sql(NO_COLUMN), refuse(400, "no such job here")]) as model:
        error = with_shop(provider(model)).error("ask", {**QUESTION, "explain": True})
        assert error.code == "sql_error" and "no_such_column" in error.error["message"]
        assert "no such job here" in error.error["reasons"][1]["text"] or "model_error" in error.error["reasons"][1]["text"]


def test_statements_of_clients_are_not_mended(with_shop):
    with FakeModel(sql(GOOD)) as model:
        daemon = with_shop(provider(model))
        assert daemon.error("sql", {"sql": NO_COLUMN}).code == "sql_error"
        assert daemon.error("ask", {"question": NO_COLUMN}).code == "sql_error"
        assert not model.requests


def test_a_stream_is_mended_before_it_begins(with_shop):
    with FakeModel(sql(NO_COLUMN, GOOD)) as model:
        daemon = with_shop(provider(model))
        with daemon.client() as client:
            reply = client.ask(stream=True, **QUESTION)
            assert reply["repairs"] == 1 and len(model.requests) == 2
            assert [list(note[1][2]) for note in client.notifications] == [["columns"], ["rows"]]


def test_a_hundred_share_each_attempt(with_shop):
    go_on = threading.Event()

    def answer(request):
        go_on.wait(30)
        return json.dumps({"sql": GOOD if "<error>" in last_words(request) else NO_COLUMN})

    with FakeModel([say(answer)]) as model:
        daemon = with_shop(provider(model))
        clients = [daemon.client() for _ in range(100)]
        msgids = [client.send("ask", QUESTION) for client in clients]
        while daemon.stats()["total_requests"] < 100:
            pass
        go_on.set()
        assert all(client.wait(msgid)["sql"] == GOOD for client, msgid in zip(clients, msgids))
        assert len(model.requests) == 2
