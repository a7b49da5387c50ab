"""The provider builtin, through a daemon and PostgreSQL: what it answers is what SQL written by
hand says, and what it can't account for word by word it declines."""

import collections

import pytest

from builtin_questions import ANSWERED, DECLINED, FOLLOWED, NOT_FOLLOWED


def as_text(value):
    """As psql -At prints it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "t" if value else "f"
    return str(value)


def rows_of(reply):
    return [tuple(as_text(value) for value in row) for row in reply["rows"]]


@pytest.mark.parametrize("case", ANSWERED, ids=lambda case: case[0])
def test_answered(shared_daemon, session_cluster, case):
    question, sql, *ordered = case
    reply = shared_daemon.ask(question, route="sql")
    rows, truth = rows_of(reply), [tuple(row) for row in session_cluster.psql(sql)]
    assert not reply["truncated"], reply["sql"]
    assert reply["provider"] == "rules"
    if ordered:
        assert rows == truth, reply["sql"]
    else:
        assert collections.Counter(rows) == collections.Counter(truth), reply["sql"]


@pytest.mark.parametrize("question, says", DECLINED, ids=lambda text: text)
def test_declined(shared_daemon, question, says):
    error = shared_daemon.error("ask", {"question": question, "route": "sql"})
    assert error.code == "unanswerable"
    assert says in error.message


def turns(questions):
    return [turn for question in questions
            for turn in ({"role": "user", "content": question}, {"role": "assistant", "content": "in 1999 from Spain"})]


@pytest.mark.parametrize("before, question, sql", FOLLOWED, ids=lambda value: str(value))
def test_followed(shared_daemon, session_cluster, before, question, sql):
    reply = shared_daemon.ask(question, history=turns(before), route="sql")
    truth = session_cluster.psql(sql)
    assert rows_of(reply) == [tuple(row) for row in truth], reply["sql"]
    assert truth not in ([["0"]], [[""]]), "it would be no test"


@pytest.mark.parametrize("before, question", NOT_FOLLOWED, ids=lambda value: str(value))
def test_not_followed(shared_daemon, before, question):
    error = shared_daemon.error("ask", {"question": question, "history": turns(before), "route": "sql"})
    assert error.code == "unanswerable"


def test_a_follow_up_is_routed(shared_daemon):
    before = turns(["How many orders were placed in 2023?"])
    assert shared_daemon.ask("and in 2024?", history=before)["route"] == "sql"
