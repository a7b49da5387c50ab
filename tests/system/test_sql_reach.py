"""What reading a table reaches besides its rows: another machine, or functions that no statement names.
It is refused unless listed, and not offered to those who write statements."""

import contextlib
import json
import os
import socket

import pytest

import process
from fake_model import FakeModel, say

# Run by the owner; the functions say that they ran by what a read-only statement can leave.
SETUP = """
CREATE TABLE orders (id int PRIMARY KEY, total numeric, city text);
INSERT INTO orders VALUES (1, 10, 'Berlin'), (2, 20, 'Bonn');
CREATE FUNCTION tells(text) RETURNS bool LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'tells ran on %', $1; END$$;
CREATE DOMAIN told AS text;
CREATE TABLE checked (id int, name told);
INSERT INTO checked VALUES (1, 'a');
ALTER DOMAIN told ADD CHECK (tells(VALUE)) NOT VALID;
CREATE TABLE checked_lists (names told[]);
CREATE TYPE couple AS (id int, name told);
CREATE TABLE couples (both_of couple);
CREATE VIEW v_checked AS SELECT id, name FROM checked;
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE FUNCTION mood_text(mood) RETURNS text LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'mood_text ran'; END$$;
CREATE CAST (mood AS text) WITH FUNCTION mood_text(mood) AS IMPLICIT;
CREATE TABLE moods (id int, m mood);
INSERT INTO moods VALUES (1, 'sad');
CREATE TYPE state AS ENUM ('new', 'old');
CREATE FUNCTION state_json(state) RETURNS json LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'state_json ran'; END$$;
CREATE CAST (state AS json) WITH FUNCTION state_json(state);
CREATE TABLE states (s state);
INSERT INTO states VALUES ('new');
CREATE DOMAIN plain AS text CHECK (length(VALUE) < 100 AND VALUE ~ '^.');
CREATE TYPE colour AS ENUM ('red', 'blue');
CREATE TABLE harmless (p plain, c colour, made numeric GENERATED ALWAYS AS (1) STORED);
INSERT INTO harmless VALUES ('x', 'red');
CREATE TABLE parts (id int, at int) PARTITION BY RANGE (at);
CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (id);
CREATE TABLE parts_high PARTITION OF parts FOR VALUES FROM (10) TO (20);
CREATE TABLE parents (id int, name text);
CREATE VIEW v_parts AS SELECT * FROM parts;
CREATE VIEW whispers AS SELECT id, pg_try_advisory_lock(7) AS locked FROM orders;
CREATE VIEW rumours AS SELECT id, total FROM orders;
CREATE SCHEMA elsewhere;
"""
# A server that is a socket of ours.
FOREIGN = """
CREATE EXTENSION postgres_fdw;
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{folder}', dbname 'x');
CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user 'x', password_required 'false');
CREATE FOREIGN TABLE abroad (id int, name text) SERVER far;
CREATE FOREIGN TABLE elsewhere.part PARTITION OF parts_low FOR VALUES FROM (0) TO (5) SERVER far;
CREATE FOREIGN TABLE elsewhere.child () INHERITS (parents) SERVER far;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO optimax_ro;
"""
FOREIGN_WORDS = "foreign table, and these are not allowed; read another, or list it in databases[].allow.tables"
CASES = [
    ("SELECT * FROM abroad", FOREIGN_WORDS),
    ("SELECT count(*) FROM parts", FOREIGN_WORDS),
    ("SELECT 1 WHERE EXISTS (TABLE v_parts)", FOREIGN_WORDS),
    ("SELECT name FROM parents UNION SELECT city FROM orders", FOREIGN_WORDS),
    ("SELECT * FROM elsewhere.part", "no table of this database's configured schemas"),
    ("SELECT * FROM parts_low", "no table of this database's configured schemas"),
    ("SELECT lag(name, 1, 'x') OVER () FROM checked", 'calls "public.tells"'),
    ("SELECT array_append(array_agg(name), 'x') FROM checked", 'calls "public.tells"'),
    ("SELECT lag(name, 1, 'x') OVER () FROM v_checked", "tells"),
    ("SELECT names || '{x}' FROM checked_lists", 'calls "public.tells"'),
    ("SELECT array_agg(both_of) || '{\"(1,x)\"}' FROM couples", 'calls "public.tells"'),
    ("SELECT upper(m) FROM moods", 'calls "public.mood_text"'),
    ("SELECT upper('sad'::mood)", 'a cast to type "mood"'),
    ("SELECT to_json(s) FROM states", 'calls "public.state_json"'),
    ("SELECT row_to_json(t) FROM states t", 'calls "public.state_json"'),
    ("SELECT name FROM pg_catalog.pg_foreign_table", "of the catalogs only those"),
    ("SELECT * FROM harmless", None),
    ("SELECT lag(p, 1, 'y') OVER (), upper(p), to_json(c), 'blue'::colour FROM harmless", None),
    ("SELECT * FROM rumours", None),
]
# Those of the public schema that no statement may read, and a word of why.
HIDDEN = {"abroad": "foreign", "parts": "foreign", "parents": "foreign", "v_parts": "foreign", "checked": "tells",
          "checked_lists": "tells", "couples": "tells", "v_checked": "tells", "moods": "mood_text",
          "states": "state_json", "whispers": "pg_try_advisory_lock"}


@pytest.fixture
def far():
    """A folder with a socket that nobody answers at."""
    folder = process.new_scratch("far")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(folder / ".s.PGSQL.5432"))
        os.chmod(folder, 0o755)
        os.chmod(folder / ".s.PGSQL.5432", 0o777)
        listening.listen(8)
        listening.setblocking(False)
        yield folder, listening
    process.remove_scratch(folder)


@pytest.fixture
def reach(cluster, far):
    name = cluster.create_database(SETUP)
    cluster.psql(FOREIGN.format(folder=far[0]), database=name)
    yield name
    cluster.drop_database(name)


def was_called(listening):
    try:
        listening.accept()[0].close()
        return True
    except BlockingIOError:
        return False


def refusals(daemon):
    schemas = daemon.call("schema")["schemas"]
    return {table["name"]: table["not_allowed"] for schema in schemas for table in schema["tables"]
            if "not_allowed" in table}


def test_what_is_reached_must_be_listed(new_daemon, cluster, reach, far):
    entry = {"name": "shop", "dsn": cluster.dsn(reach)}
    daemon = new_daemon(databases=[entry])
    daemon.wait_serving()
    for sql, says in CASES:
        verdict = daemon.call("check", {"sql": sql})
        assert (verdict["verdict"] == "allow") == (says is None), (sql, verdict)
        if says:
            assert says in verdict["reason"] and "at character " in verdict["reason"], verdict
            assert daemon.error("sql", {"sql": sql}).code == "sql_rejected"
        else:
            daemon.sql(sql)
    found = refusals(daemon)
    assert found.keys() == HIDDEN.keys()
    for name, says in HIDDEN.items():
        assert says in found[name]
    # The watcher looked for samples in all tables but these, too.
    assert not was_called(far[1])
    assert "it is a foreign table" in daemon.ctl("schema", "abroad").stdout
    assert "view, not allowed" in daemon.ctl("schema").stdout

    # Listed, each does what it was refused for: the refusals were needed.
    entry["allow"] = {"tables": ["public.abroad", "public.checked", "public.parents"],
                      "functions": ["public.mood_text", "public.state_json"], "views": ["public.whispers"]}
    daemon.configure({"databases": [entry]})
    daemon.call("reload", control=True)

    def are_marked():
        """the schema has the new marks"""
        return refusals(daemon).keys() == HIDDEN.keys() - {"abroad", "checked", "parents", "moods", "states", "whispers"}

    process.wait_until(are_marked, timeout=30)
    for sql, says in (("SELECT lag(name, 1, 'x') OVER () FROM checked", "tells ran on x"),
                      ("SELECT upper(m) FROM moods", "mood_text ran"),
                      ("SELECT upper('sad'::mood)", "mood_text ran"),
                      ("SELECT to_json(s) FROM states", "state_json ran")):
        assert says in daemon.error("sql", {"sql": sql}).message
    for sql in ("SELECT * FROM abroad", "SELECT * FROM parents"):
        assert not was_called(far[1])
        daemon.error("sql", {"sql": sql, "timeout_ms": 500})
        assert was_called(far[1])


def test_what_is_refused_is_not_offered(new_daemon, cluster, reach):
    with FakeModel([say("x")]) as model:
        daemon = new_daemon(databases=[{"name": "shop", "dsn": cluster.dsn(reach)}], config={"inference": {"providers": [
            {"name": "rules", "type": "builtin"}, {"name": "m", "type": "openai", "url": model.url, "model": "m"}]}})
        daemon.wait_serving()
        prompt = json.dumps(daemon.call("prompt", {"question": "how many whispers and rumours"})["messages"])
        assert "rumours" in prompt
        for name in HIDDEN:
            assert f"TABLE {name}" not in prompt and f"VIEW {name}" not in prompt and f"public.{name}" not in prompt, name
        reply = daemon.ask("how many rumours are there", route="sql")
        assert (reply["rows"], reply["provider"]) == ([[2]], "rules")
        error = daemon.error("ask", {"question": "how many whispers are there", "route": "sql"})
        assert error.code in ("unanswerable", "model_error"), error
