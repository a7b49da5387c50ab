"""SQL that is taught: it answers its question at once, stands in prompts for others, outlives restarts,
and is used only as long as it is allowed."""

import json

import pytest

import process
from fake_model import FakeModel, say

QUESTION = "How many customers are worth a visit?"
BY_MODEL = "SELECT count(*) FROM customers"
TAUGHT = "SELECT count(*) FROM customers WHERE newsletter AND city = 'Berlin'"


def teach(daemon, question=QUESTION, sql=TAUGHT, **params):
    return daemon.call("teach", {"question": question, "sql": sql, **params}, control=True)


def examples(daemon, **params):
    return daemon.call("examples", params, control=True)["examples"]


@pytest.fixture
def model():
    with FakeModel([say(json.dumps({"sql": BY_MODEL}))]) as server:
        yield server


@pytest.fixture
def start(new_daemon, shop, model):
    def start(**database):
        providers = [{"name": "local", "type": "openai", "url": model.url, "model": "m"}]
        daemon = new_daemon(databases=[{**shop, **database}], config={"inference": {"providers": providers}})
        daemon.wait_serving()
        return daemon
    return start


def ask(daemon, question=QUESTION, **params):
    reply = daemon.ask(question, **{"route": "sql", **params})
    return reply["sql"], reply["provider"]


def prompt(daemon, question):
    messages = daemon.call("prompt", {"question": question})["messages"]
    return "\n".join(message["content"] for message in messages)


def test_it_answers_at_once_though_the_question_was_cached(start, model):
    daemon = start()
    assert ask(daemon) == (BY_MODEL, "local") and daemon.ask(QUESTION, route="sql")["cached"]
    assert teach(daemon) == {"taught": 1}
    assert ask(daemon) == (TAUGHT, "taught") and len(model.requests) == 1
    assert daemon.ask(QUESTION, route="sql")["cached"]
    # Another form of the same text, without a wish for a route, and with an empty history.
    reply = daemon.ask("  How many  customers are worth a visit", explain=True, history=[])
    assert (reply["sql"], reply["via"], reply["cached"]) == (TAUGHT, "cache", True)
    reply = daemon.ask(QUESTION, no_cache=True, explain=True)
    assert (reply["sql"], reply["via"], reply["confidence"]) == (TAUGHT, "heuristic", 1.0)
    assert "taught" in [reason["signal"] for reason in reply["reasons"]]
    route = daemon.call("route", {"text": QUESTION})
    assert route["route"] == "sql" and [reason["signal"] for reason in route["reasons"]] == ["taught"]
    # Case may be the meaning, other turns may be, and who wants text gets it.
    assert ask(daemon, QUESTION.lower()) == (BY_MODEL, "local")
    assert ask(daemon, history=[{"role": "user", "content": "hm"}]) == (BY_MODEL, "local")
    assert daemon.ask(QUESTION, route="chat")["route"] == "chat"


def test_it_is_replaced_and_forgotten(start, model):
    daemon = start()
    teach(daemon)
    assert teach(daemon, sql="SELECT 7") == {"taught": 1}
    assert ask(daemon) == ("SELECT 7", "taught")
    assert teach(daemon, sql="") == {"taught": 0}
    assert ask(daemon) == (BY_MODEL, "local")
    assert daemon.call("teach", {"question": QUESTION}, control=True) == {"taught": 0}


def test_others_are_told_of_it(start, model):
    daemon = start()
    other = "Which customers are worth a call?"
    assert TAUGHT not in prompt(daemon, other)
    assert ask(daemon, other) == (BY_MODEL, "local")
    teach(daemon)
    assert f"sql: {TAUGHT}\n" in prompt(daemon, other)
    # It may change what a model says.
    ask(daemon, other)
    assert len(model.requests) == 2 and TAUGHT in json.dumps(model.requests[1].messages)


def test_it_outlives_restart_reload_and_router(start):
    daemon = start()
    sql = "SELECT count(*) -- those who\tread\nFROM customers WHERE city <> E'\\\\'"
    teach(daemon, sql=sql)
    file = daemon.scratch / "state" / "taught"
    assert file.stat().st_mode & 0o777 == 0o600
    daemon.call("reload", control=True)
    assert ask(daemon) == (sql, "taught")
    killed = daemon.kill("router")
    process.wait_until(lambda: not process.is_alive(killed))
    daemon.wait_serving()
    assert ask(daemon) == (sql, "taught")
    daemon.stop()
    daemon.start()
    daemon.wait_serving()
    assert ask(daemon) == (sql, "taught")
    assert [example["state"] for example in process.wait_until(
        lambda: [e for e in examples(daemon) if e["state"] != "unchecked"])] == ["allowed"]


@pytest.mark.parametrize("params, code, wanted", [
    ({"sql": "DELETE FROM customers"}, "sql_rejected", ""),
    ({"sql": "SELECT pg_sleep(1)"}, "sql_rejected", "pg_sleep"),
    ({"sql": "SELECT nothing FROM customers"}, "sql_error", "nothing"),
    ({"sql": "SELECT 1; SELECT 2"}, "sql_rejected", ""),
    ({"question": " ?! "}, "bad_request", "blank"),
    ({"question": "x" * 2049}, "too_large", "question"),
    ({"question": "a\0b"}, "bad_request", "NUL"),
    ({"sql": "SELECT 1" + " " * 8192}, "too_large", "sql"),
    ({"database": "nowhere"}, "unknown_database", ""),
])
def test_what_cannot_be_taught(shared_daemon, params, code, wanted):
    error = shared_daemon.error("teach", {"question": QUESTION, "sql": "SELECT 1", **params}, control=True)
    assert error.code == code and wanted in error.message
    assert examples(shared_daemon) == []


def test_what_is_too_dear_cannot_be_taught(start):
    daemon = start(limits={"plan_cost": 10})
    error = daemon.error("teach", {"question": QUESTION, "sql": "SELECT count(*) FROM orders a, orders b"}, control=True)
    assert error.code == "sql_rejected" and error.detail == "cost"


def test_teach_and_examples_are_of_the_control_socket(shared_daemon):
    for method, params in (("teach", {"question": QUESTION, "sql": "SELECT 1"}), ("examples", {})):
        assert shared_daemon.error(method, params).code == "forbidden"


def test_a_schema_that_changes_takes_it_away_and_brings_it_back(start, cluster, database):
    daemon = start(dsn=cluster.dsn(database))
    teach(daemon)
    assert ask(daemon) == (TAUGHT, "taught")

    def state(wanted):
        process.wait_until(lambda: [e["state"] for e in examples(daemon)] == [wanted], 30)
        return examples(daemon)[0]

    cluster.psql("ALTER TABLE customers RENAME newsletter TO letters", database=database, user=cluster.OWNER)
    refused = state("refused")
    assert refused["source"] == "taught" and '"newsletter" does not exist' in refused["reason"]
    assert ask(daemon) == (BY_MODEL, "local")
    assert TAUGHT not in prompt(daemon, QUESTION)
    assert "the taught answer to \"How many customers are worth a visit\" is not allowed any more" in daemon.log()
    assert "not allowed any more: column" in daemon.ctl("teach", "--list").stdout.replace("\n", " ")
    cluster.psql("ALTER TABLE customers RENAME letters TO newsletter", database=database, user=cluster.OWNER)
    state("allowed")
    assert ask(daemon) == (TAUGHT, "taught")


def test_a_policy_that_changes_takes_it_away(start, shop, cluster):
    daemon = start(allow={"functions": ["pg_catalog.pg_backend_pid"]})
    teach(daemon, sql="SELECT pg_backend_pid()")
    daemon.configure({"databases": [{**shop}]})
    assert daemon.call("reload", control=True)["changed"] == ["databases[shop].allow.functions"]
    process.wait_until(lambda: [e["state"] for e in examples(daemon)] == ["refused"])
    assert ask(daemon) == (BY_MODEL, "local")


def test_a_damaged_file_is_said_and_kept(start):
    daemon = start()
    teach(daemon)
    daemon.stop()
    file = daemon.scratch / "state" / "taught"
    sound = file.read_text()
    file.write_text(sound + "SELECT 1\tshop\n")
    daemon.start()
    daemon.wait_serving()
    assert ask(daemon) == (TAUGHT, "taught")
    assert "taught: line 3: it is no taught answer: it has not the form of one; 1 line is left out" in daemon.log()
    assert file.read_text() == sound and file.with_name("taught.damaged").read_text() != sound


def test_a_full_list_is_said(start):
    daemon = start()
    daemon.stop()
    file = daemon.scratch / "state" / "taught"
    teach_lines = "".join(f"SELECT {n}\tshop\tquestion {n}\n" for n in range(1000))
    file.parent.mkdir(exist_ok=True)
    file.write_text("optimax taught 1\n" + teach_lines)
    process.own(file.parent)
    process.own(file)
    daemon.start()
    daemon.wait_serving()
    error = daemon.error("teach", {"question": QUESTION, "sql": "SELECT 1"}, control=True)
    assert error.code == "bad_request" and "of its database 1000, or 1024 KiB, are there" in error.message
    assert teach(daemon, "question 7", "") == {"taught": 999}
    assert teach(daemon, sql="SELECT 1") == {"taught": 1000}
    assert ask(daemon, "question 999") == ("SELECT 999", "taught")


def test_ctl(start):
    daemon = start()
    done = daemon.ctl("teach", QUESTION, TAUGHT)
    assert done.returncode == 0 and "1 taught answer is kept" in done.stdout, done.stderr
    assert daemon.ctl("teach", "How many orders?", "-", stdin="SELECT count(*) FROM orders\n").returncode == 0
    lines = daemon.ctl_json("teach", "--list")
    assert [(line["question"], line["source"], line["state"]) for line in lines] == [
        ("How many customers are worth a visit", "taught", "allowed"), ("How many orders", "taught", "allowed")]
    table = daemon.ctl("teach", "--list").stdout
    assert "How many orders" in table and "allowed" in table
    assert daemon.ctl_json("teach", "--forget", QUESTION) == {"taught": 1}
    refused = daemon.ctl("teach", QUESTION, "DROP TABLE orders")
    assert refused.returncode == 1 and refused.stderr.startswith("optimaxctl: sql_rejected: ")
    for words in (["one"], ["--list", "one"], ["--forget"], ["--forget", "--list"]):
        assert daemon.ctl("teach", *words).returncode == 2, words
    daemon.ctl("teach", "--forget", "How many orders?")
    assert "nothing was taught" in daemon.ctl("teach", "--list").stdout
