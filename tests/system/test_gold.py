"""Every gold statement of the shared questions is allowed, runs, and gives what PostgreSQL gives.
Needs the folder of the shared data in OPTIMAX_SHARED_DATA."""

import json
import os
import re
from pathlib import Path

import pytest

from client import RpcError
from fake_model import FakeModel, say
from test_models import provider

SHARED = Path(os.environ.get("OPTIMAX_SHARED_DATA", "")) / "nl2sql" / "dev"
NULL = "\x01"
LIMITS = {"rows": 1_000_000, "bytes": "64MiB", "time": "60s", "plan_cost": 10**12}


@pytest.fixture(scope="module")
def loaded(session_cluster):
    """{name in the questions: name in PostgreSQL}"""
    if not (SHARED / "questions.jsonl").exists():
        pytest.skip("OPTIMAX_SHARED_DATA names no folder with nl2sql/dev/questions.jsonl")
    session_cluster.start()
    names = {}
    for path in sorted((SHARED / "db").glob("*.sql")):
        names[path.stem] = session_cluster.create_database("")
        session_cluster.psql(path.read_text(), database=names[path.stem])
        session_cluster.psql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO optimax_ro; ANALYZE", names[path.stem])
    yield names
    for name in names.values():
        session_cluster.drop_database(name)


def same_value(ours, text):
    if ours is None or text == NULL:
        return ours is None and text == NULL
    if isinstance(ours, bool):
        return text == ("t" if ours else "f")
    if isinstance(ours, (int, float)):
        return float(text) == ours
    return ours == text


def key(row):
    return ["" if value in (None, NULL) else str(value) for value in row]


def same_rows(ours, theirs, ordered):
    if not ordered:
        ours, theirs = sorted(ours, key=key), sorted(theirs, key=key)
    return len(ours) == len(theirs) and all(
        len(a) == len(b) and all(map(same_value, a, b)) for a, b in zip(ours, theirs))


@pytest.fixture(scope="module")
def questions(loaded):
    return [json.loads(line) for line in (SHARED / "questions.jsonl").read_text().splitlines()]


def databases_of(cluster, loaded):
    return [{"name": name, "dsn": cluster.dsn(there), "workers": 1, "limits": LIMITS} for name, there in loaded.items()]


def fault_of(cluster, loaded, question, done):
    """Why what optimaxctl gave is not what the gold statement gives; None: it is."""
    if done.returncode:
        return done.stderr
    reply = json.loads(done.stdout)
    theirs = cluster.psql(f"\\pset null '{NULL}'\n{question['gold'].rstrip().rstrip(';')};", loaded[question["db"]])
    if not same_rows(reply["rows"], theirs, question["ordered"]):
        return f"{reply['rows'][:3]} for {theirs[:3]}"
    return None


def test_every_gold_gives_its_own_result(new_daemon, cluster, loaded, questions):
    daemon = new_daemon(databases=databases_of(cluster, loaded))
    daemon.wait_serving()
    left = {}
    for question in questions:
        fault = fault_of(cluster, loaded, question, daemon.ctl("--json", "-d", question["db"], "sql", question["gold"]))
        if fault:
            left[question["id"]] = fault
            continue
        for sql in question["alternatives"]:
            try:
                daemon.sql(sql, database=question["db"])
            except RpcError as error:
                left[question["id"]] = f"{sql}: {error}"
    assert not left, f"{len(left)} of {len(questions)}: {json.dumps(left, indent=1)}"


BREAK = ["{gold})", "SELECT no_such_column FROM ({gold}\n) AS q", "SELECT * FROM no_such_table", "SELECT q.*, pg_sleep(1) FROM ({gold}\n) AS q"]


@pytest.mark.parametrize("first", ["right", "broken"])
def test_every_gold_by_a_model(new_daemon, cluster, loaded, questions, first):
    """The scripted model answers with the gold statement, or with one of its faults and then with it."""
    golds = {question["question"]: (number, question["gold"].rstrip().rstrip(";")) for number, question in enumerate(questions)}

    def answer(request):
        words = request.messages[-1]["content"]
        number, gold = golds[re.search(r"<question>\n?(.*?)\n?</question>", words, re.S)[1]]
        broken = first == "broken" and "<error>" not in words
        return json.dumps({"sql": BREAK[number % len(BREAK)].format(gold=gold) if broken else gold})

    with FakeModel([say(answer)]) as model:
        daemon = new_daemon(databases=databases_of(cluster, loaded), config={"inference": {"providers": [provider(model)]}})
        daemon.wait_serving()
        left = {}
        for question in questions:
            done = daemon.ctl("--json", "-d", question["db"], "ask", "--route", "sql", question["question"])
            fault = fault_of(cluster, loaded, question, done)
            if fault:
                left[question["id"]] = fault
        assert not left, f"{len(left)} of {len(questions)}: {json.dumps(left, indent=1)}"
        assert len(model.requests) == len(questions) * (2 if first == "broken" else 1)
        assert daemon.stats()["sql_repairs"]["mended"] == (len(questions) if first == "broken" else 0)
