"""The provider builtin, through a daemon and PostgreSQL: what it answers is what SQL written by
hand says, and what it can't account for word by word it declines."""

import collections

import pytest

from builtin_questions import ANSWERED, DECLINED


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
