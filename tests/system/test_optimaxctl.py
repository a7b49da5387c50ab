"""optimaxctl against a scripted daemon: formats, exit statuses, order, Ctrl-C, where options stand.

The daemon here is python3-msgpack alone; what it answers is written in the tests."""

import contextlib
import csv
import fcntl
import io
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import termios
import threading

import msgpack
import pytest

from build_tree import BUILD

OPTIMAXCTL = str(BUILD / "optimaxctl")

DATA_REPLY = {
    "route": "sql", "via": "heuristic", "cached": False, "confidence": 0.93,
    "timing_us": {"total": 12400, "lookup": 40, "route": 210, "execute": 9100},
    "database": "shop", "provider": "rules",
    "sql": "SELECT name, total, seen, raw, ok FROM customers",
    "columns": [{"name": "name", "type": "text"}, {"name": "total", "type": "bigint"},
                {"name": "seen", "type": "double precision"}, {"name": "raw", "type": "bytea"},
                {"name": "ok", "type": "boolean"}],
    "rows": [["Müller, \"Ada\"", 9223372036854775807, 0.1, b"\x00\xff", True],
             ["", -5, float("nan"), None, False],
             [None, 0, float("-inf"), b"", None]],
    "row_count": 3, "truncated": False,
}
CHAT_REPLY = {"route": "chat", "via": "client", "cached": True, "age_ms": 12000,
              "timing_us": {"total": 90}, "text": "Good day.\x1b[31m red"}


class Error(Exception):
    def __init__(self, code, message, **more):
        self.map = {"code": code, "message": message, "retryable": False, **more}


class Daemon:
    """Listens on `path`; `answers` maps a method to a value, an exception or a function of
    (daemon, connection, msgid, params) that returns one of them, or HOLD to answer later."""

    HOLD = object()

    def __init__(self, path, answers):
        self.path, self.answers = path, answers
        self.requests, self.cancelled = [], []
        self.changed = threading.Condition()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(16)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        unpacker = msgpack.Unpacker(raw=False)
        with connection, contextlib.suppress(ConnectionError):  # a client may leave at any time
            while data := connection.recv(65536):
                unpacker.feed(data)
                for message in unpacker:
                    self.take(connection, message)

    def take(self, connection, message):
        with self.changed:
            if message[0] == 2:
                self.cancelled.append(message[2][0])
                self.changed.notify_all()
                with contextlib.suppress(ConnectionError):
                    self.respond(connection, message[2][0], Error("cancelled", "cancelled"))
                return
            _, msgid, method, params = message
            params = params[0] if params else None
            self.requests.append((method, params))
            self.changed.notify_all()
        answer = self.answers.get(method, Error("unknown_method", f"no method {method}"))
        if callable(answer):
            answer = answer(self, connection, msgid, params)
        if answer is not Daemon.HOLD:
            self.respond(connection, msgid, answer)

    @staticmethod
    def respond(connection, msgid, answer):
        failed = isinstance(answer, Error)
        connection.sendall(msgpack.packb(
            [1, msgid, answer.map if failed else None, None if failed else answer],
            unicode_errors="surrogateescape"))

    @staticmethod
    def delta(connection, msgid, seq, piece):
        connection.sendall(msgpack.packb([2, "delta", [msgid, seq, piece]]))

    def wait_for(self, predicate):
        with self.changed:
            assert self.changed.wait_for(lambda: predicate(self), 10)

    def params(self):
        return self.requests[-1][1]


class Scene:
    """A daemon on both sockets and optimaxctl beside it."""

    def __init__(self, folder):
        self.folder = folder
        self.socket = str(folder / "optimax.sock")
        self.daemon = self.control = None

    def listen(self, **answers):
        self.daemon = Daemon(self.socket, answers)
        self.control = Daemon(str(self.folder / "control.sock"), answers)
        return self.daemon

    def command(self, *words):
        return [OPTIMAXCTL, "-s", self.socket, *words]

    def run(self, *words, stdin="", **environment):
        return subprocess.run(self.command(*words), input=stdin.encode(), capture_output=True,
                              timeout=30, env={**os.environ, **environment})


@pytest.fixture
def scene(tmp_path):
    scene = Scene(tmp_path)
    yield scene
    for daemon in (scene.daemon, scene.control):
        if daemon:
            daemon.listener.close()


# ---- formats ----

def test_json_is_the_result_exactly(scene):
    scene.listen(ask=DATA_REPLY)
    done = scene.run("ask", "who", "owes", "us", "--json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b"\n") == 1
    result = json.loads(done.stdout)
    assert scene.daemon.params() == {"question": "who owes us"}
    assert result["rows"] == [["Müller, \"Ada\"", 9223372036854775807, 0.1, "\\x00ff", True],
                              ["", -5, "NaN", None, False],
                              [None, 0, "-Infinity", "\\x", None]]
    assert {key: value for key, value in result.items() if key != "rows"} == \
        {key: value for key, value in DATA_REPLY.items() if key != "rows"}
    assert list(result) == list(DATA_REPLY)


@pytest.mark.parametrize("number,text", [
    (0.1, b"0.1"), (1e300, b"1e+300"), (1 / 3, b"0.3333333333333333"), (-0.0, b"-0"),
    (2**63, b"9223372036854775808"), (2**64 - 1, b"18446744073709551615"), (-2**63, b"-9223372036854775808"),
    (5e-324, b"4.94065645841247e-324"), (0.1 + 0.2, b"0.30000000000000004")])
def test_json_numbers_read_back_the_same(scene, number, text):
    scene.listen(ping={"n": number})
    assert scene.run("ping", "--json").stdout == b'{"n": ' + text + b"}\n"


def test_json_is_valid_whatever_text_comes(scene):
    text = "\x00\x01\b\t\n\f\r\x1f\"\\/\x7f€𝄞"
    no_utf8 = b"a\xff\xc3(\xed\xa0\x80\xe2\x82".decode(errors="surrogateescape")
    scene.listen(ping={"t": text, "n": no_utf8})
    result = json.loads(scene.run("ping", "--json").stdout)
    assert result == {"t": text, "n": "a\ufffd\ufffd(\ufffd\ufffd\ufffd\ufffd\ufffd"}


def test_csv_is_rfc_4180(scene):
    scene.listen(sql=DATA_REPLY)
    done = scene.run("sql", "SELECT 1", "--csv")
    assert done.stdout.decode() == (
        "name,total,seen,raw,ok\r\n"
        '"Müller, ""Ada""",9223372036854775807,0.1,\\x00ff,true\r\n'
        '"",-5,NaN,,false\r\n'
        ",0,-Infinity,\\x,\r\n")


def test_csv_of_a_chat_and_of_a_map(scene):
    scene.listen(ask={**CHAT_REPLY, "text": "a,b"}, ping={"version": "1", "deep": {"list": [1, None]}})
    assert scene.run("ask", "hello", "--csv").stdout == b'text\r\n"a,b"\r\n'
    rows = list(csv.reader(io.StringIO(scene.run("ping", "--csv").stdout.decode())))
    assert rows == [["name", "value"], ["version", "1"], ["deep.list.0", "1"], ["deep.list.1", ""]]


def test_table_then_sql_way_and_time(scene):
    scene.listen(ask=DATA_REPLY)
    lines = scene.run("ask", "who", LC_ALL="C").stdout.decode().splitlines()
    assert lines[0].split() == ["name", "total", "seen", "raw", "ok"]
    assert lines[1].split()[:4] == ["Müller,", '"Ada"', "9223372036854775807", "0.1"]
    assert lines[4:] == ["", "SQL: SELECT name, total, seen, raw, ok FROM customers",
                         "via: heuristic, confidence 0.93, database shop, provider rules",
                         "3 rows in 12.4 ms"]


def test_truncation_is_said(scene):
    scene.listen(sql={**DATA_REPLY, "truncated": True, "row_count": 1000})
    assert "only the first 1,000 rows; there are more" in scene.run("sql", "x").stdout.decode()
    assert scene.run("sql", "x", "--limit", "1000").stdout.decode().endswith(
        "only the first 1,000 rows; there are more\n")
    assert b"first 1000 rows" in scene.run("sql", "x", "--csv").stderr


def test_a_reply_cannot_steer_the_terminal(scene):
    scene.listen(ask=CHAT_REPLY, sql={**DATA_REPLY, "rows": [["\x1b[2J", 1, 1.0, b"", True]]},
                 ping=Error("internal", "\x1b]0;x\x07"))
    chat = scene.run("ask", "hello").stdout.decode()
    assert chat == "Good day.\\x1b[31m red\n\nvia: cache, 12 s old\nanswered in 0.09 ms\n".replace(
        "cache", "client")
    assert b"\x1b" not in scene.run("sql", "x").stdout
    assert b"\x1b" not in scene.run("ping").stderr


# ---- streams ----

def stream_rows(daemon, connection, msgid, params):
    assert params["stream"] is True
    daemon.delta(connection, msgid, 0, {"columns": DATA_REPLY["columns"]})
    daemon.delta(connection, msgid, 1, {"rows": DATA_REPLY["rows"][:2]})
    daemon.delta(connection, msgid, 2, {"rows": DATA_REPLY["rows"][2:]})
    return {key: value for key, value in {**DATA_REPLY, "rows": []}.items() if key != "columns"}


def test_streamed_rows_are_the_same_table_and_csv(scene):
    scene.listen(sql=stream_rows)
    streamed = {form: scene.run("sql", "x", "--stream", *form).stdout for form in [(), ("--csv",)]}
    scene.daemon.answers["sql"] = DATA_REPLY
    assert streamed == {form: scene.run("sql", "x", *form).stdout for form in [(), ("--csv",)]}


def test_streamed_json_is_a_line_a_piece(scene):
    scene.listen(sql=stream_rows)
    lines = scene.run("sql", "x", "--stream", "--json").stdout.decode().splitlines()
    assert [sorted(json.loads(line))[:1] for line in lines[:3]] == [["columns"], ["rows"], ["rows"]]
    assert json.loads(lines[3])["rows"] == []


def test_streamed_text_is_printed_once(scene):
    def answer(daemon, connection, msgid, _):
        daemon.delta(connection, msgid, 0, {"text": "Good "})
        daemon.delta(connection, msgid, 1, {"text": "day."})
        return {**CHAT_REPLY, "text": "Good day."}
    scene.listen(ask=answer)
    assert scene.run("ask", "hello", "--stream").stdout.startswith(b"Good day.\n\nvia:")


# ---- options and parameters ----

@pytest.mark.parametrize("words", [
    ["--json", "ask", "a", "b", "--limit", "5"],
    ["ask", "--json", "a", "--limit=5", "b"],
    ["ask", "a", "b", "--limit", "5", "--json"],
    ["--limit", "5", "ask", "a", "b", "--json"]])
def test_options_stand_anywhere(scene, words):
    scene.listen(ask=CHAT_REPLY)
    assert json.loads(scene.run(*words, POSIXLY_CORRECT="1").stdout)["text"] == CHAT_REPLY["text"]
    assert scene.daemon.params() == {"question": "a b", "limit": 5}


def test_every_parameter_reaches_the_daemon(scene, tmp_path):
    history = tmp_path / "history.json"
    history.write_text('[{"role": "user", "content": "hé"}]')
    scene.listen(ask=CHAT_REPLY)
    scene.run("ask", "q", "-d", "shop", "--route", "sql", "--limit", "7", "--max-age", "2h",
              "--timeout", "1500ms", "--no-cache", "--explain", "--history", str(history))
    assert scene.daemon.params() == {
        "question": "q", "database": "shop", "route": "sql", "limit": 7, "max_age_ms": 7200000,
        "timeout_ms": 1500, "no_cache": True, "explain": True,
        "history": [{"role": "user", "content": "hé"}]}


def test_standard_input_stands_for_the_text(scene):
    scene.listen(sql=DATA_REPLY)
    scene.run("sql", "-", stdin="SELECT 1 -- one\n")
    assert scene.daemon.params() == {"sql": "SELECT 1 -- one"}


@pytest.mark.parametrize("words,says", [
    ([], "command is missing"), (["dance"], "'dance' is no command"), (["ask"], "WORDS... is missing"),
    (["ask", "x", "--limit", "many"], "no number"), (["ask", "x", "--timeout", "5"], "no duration"),
    (["ask", "x", "--timeout", "5y"], "no duration"), (["ping", "--limit", "3"], "takes no --limit"),
    (["ask", "x", "--frobnicate"], "unrecognized option"), (["ping", "x"], "too much"),
    (["ask", "x", "--json", "--csv"], "exclude"), (["route", "x", "--batch"], "--batch"),
    (["flush", "--table", "t"], "needs --database"), (["sql", "x", "--route", "sql"], "takes no --route"),
    (["ask", "x", "--history", "/nonexistent"], "/nonexistent")])
def test_wrong_usage_exits_2(scene, words, says):
    scene.listen(ask=CHAT_REPLY, ping={})
    done = scene.run(*words)
    assert (done.returncode, done.stdout) == (2, b"")
    assert says in done.stderr.decode()
    assert scene.daemon.requests == []


def test_help_fits_a_screen(scene):
    for words in [[]] + [[word] for word in
                         "ask sql route check schema stats flush status ping reload".split()]:
        done = scene.run(*words, "--help")
        lines = done.stdout.decode().splitlines()
        assert done.returncode == 0 and 5 <= len(lines) <= 24 and max(map(len, lines)) <= 80, words


# ---- exit statuses ----

def test_a_failed_request_exits_1(scene):
    scene.listen(sql=Error("sql_rejected", "it writes", detail="not_select"))
    done = scene.run("sql", "DELETE FROM t", "--json")
    assert done.returncode == 1
    assert done.stderr.decode() == "optimaxctl: sql_rejected: it writes\n  detail: not_select\n"
    assert json.loads(done.stdout) == {"error": {
        "code": "sql_rejected", "message": "it writes", "retryable": False, "detail": "not_select"}}
    assert scene.run("sql", "x").stdout == b""


@pytest.mark.parametrize("result,status", [
    ({"verdict": "allow", "tables": ["public.a"]}, 0),
    ({"verdict": "reject", "code": "function", "reason": "pg_sleep", "tables": []}, 1)])
def test_check_exits_by_its_verdict(scene, result, status):
    scene.listen(check=result)
    for form in [[], ["--json"]]:
        done = scene.run("check", "SELECT 1", *form)
        assert (done.returncode, done.stderr) == (status, b"")
        assert result["verdict"].encode() in done.stdout


def test_no_daemon_exits_3(scene):
    done = scene.run("ping")
    assert done.returncode == 3 and b"systemctl start optimaxd" in done.stderr
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(scene.socket)
    done = scene.run("ping", "--json")
    assert done.returncode == 3 and json.loads(done.stdout)["error"]["code"] == "no_daemon"


@pytest.mark.skipif(os.geteuid() != 0, reason="changing to another user needs root")
def test_no_permission_exits_3_and_names_the_group(scene):
    scene.listen(ping={})
    for folder in [scene.folder, *scene.folder.parents][:3]:
        os.chmod(folder, 0o755)
    os.chmod(scene.socket, 0o660)
    done = subprocess.run(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
                           *scene.command("ping")], capture_output=True, timeout=30)
    assert done.returncode == 3 and b"group 'root'" in done.stderr, done.stderr


def cut(at):
    def answer(daemon, connection, msgid, _):
        connection.sendall(msgpack.packb([1, msgid, None, DATA_REPLY])[:at])
        connection.shutdown(socket.SHUT_RDWR)
        return Daemon.HOLD
    return answer


@pytest.mark.parametrize("at", [0, 1, 50])
def test_a_lost_daemon_exits_3(scene, at):
    scene.listen(ask=cut(at))
    done = scene.run("ask", "x")
    assert done.returncode == 3 and b"closed the connection" in done.stderr


def test_what_is_no_daemon_exits_3(scene):
    def answer(daemon, connection, msgid, _):
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        return Daemon.HOLD
    scene.listen(ping=answer)
    assert scene.run("ping").returncode == 3


def test_too_large_a_question_is_refused(scene):
    scene.listen(ask=CHAT_REPLY)
    done = scene.run("ask", "-", stdin="x" * (1 << 20))
    assert done.returncode == 1 and done.stderr.startswith(b"optimaxctl: too_large: ")


def test_interrupt_cancels_and_exits_130(scene):
    scene.listen(ask=lambda *_: Daemon.HOLD)
    with subprocess.Popen(scene.command("ask", "x"), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as running:
        scene.daemon.wait_for(lambda daemon: daemon.requests)
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=10)
    assert (running.returncode, out) == (130, b"")
    assert scene.daemon.cancelled == [0]


# ---- batch ----

def batch_out(done):
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def test_batch_keeps_the_order_and_overlaps(scene):
    """Answers are held until 200 requests are there, then given backwards."""
    held = []

    def answer(daemon, connection, msgid, params):
        held.append((msgid, params["text"]))
        if len(held) == 200:
            for each, text in reversed(held):
                daemon.respond(connection, each, {
                    "route": "sql", "confidence": 1.0, "reasons": [],
                    "timing_us": {"total": int(text[1:])}})
        return Daemon.HOLD
    scene.listen(route=answer)
    lines = "".join(json.dumps({"id": f"r{n}", "text": f"t{n}", "expected": "sql"}) + "\n"
                    for n in range(200))
    done = scene.run("route", "--batch", stdin=lines)
    assert done.returncode == 0, done.stderr
    out = batch_out(done)
    assert [line["id"] for line in out] == [f"r{n}" for n in range(200)]
    assert [line["micros"] for line in out] == list(range(200))
    assert list(out[0]) == ["id", "route", "confidence", "reasons", "timing_us", "micros"]


def test_batch_goes_on_past_its_window(scene):
    """Answers come 256 at a time, backwards: who sent fewer would wait for ever."""
    flying = []

    def answer(daemon, connection, msgid, params):
        flying.append(msgid)
        if len(flying) == 256 or params["sql"] == "last":
            for each in flying[::-1]:
                daemon.respond(connection, each, {"verdict": "allow", "tables": [],
                                                   "timing_us": {"total": 5000, "validate": 3}})
            flying.clear()
        return Daemon.HOLD
    scene.listen(check=answer)
    lines = "".join(json.dumps({"id": n, "sql": "last" if n == 999 else "x"}) + "\n" for n in range(1000))
    out = batch_out(scene.run("check", "--batch", stdin=lines))
    assert [line["id"] for line in out] == list(range(1000)) and out[5]["micros"] == 3


def test_interrupting_a_batch_cancels_all_that_is_in_flight(scene):
    """That is 256 of 1000 lines: no more are sent while none is answered."""
    scene.listen(route=lambda *_: Daemon.HOLD)
    with subprocess.Popen(scene.command("route", "--batch"), stdin=subprocess.PIPE,
                          stderr=subprocess.PIPE) as running:
        running.stdin.write(b'{"text": "x"}\n' * 1000)
        running.stdin.flush()
        scene.daemon.wait_for(lambda daemon: len(daemon.requests) == 256)
        running.send_signal(signal.SIGINT)
        assert running.wait(10) == 130
    scene.daemon.wait_for(lambda daemon: len(daemon.cancelled) == 256)
    assert scene.daemon.cancelled == list(range(256)) and len(scene.daemon.requests) == 256


def test_batch_gives_each_bad_line_its_error(scene):
    scene.listen(check=lambda _d, _c, _m, params: Error("unknown_database", "no such")
                 if params.get("database") == "x" else {"verdict": "reject", "code": "parse"})
    lines = ['{"id": 1, "sql": "a"}', "", "{not json", '{"id": [2], "text": "a"}', '{"id": null, "sql": 5}',
             '{"id": "é", "sql": "' + "y" * 70000 + '"}', '{"id": 6, "sql": "a", "database": "x"}',
             '{"id": 7, "sql": "' + "z" * (2 << 20) + '"}', '{"id": 8, "sql": "a"}']
    done = scene.run("check", "--batch", stdin="\n".join(lines))
    out = batch_out(done)
    assert done.returncode == 1
    assert [line["id"] for line in out] == [1, None, [2], None, "é", 6, None, 8]
    assert [line.get("error", {}).get("code") for line in out] == [
        None, "bad_request", "bad_request", "bad_request", "too_large", "unknown_database", "too_large", None]
    assert all(list(line["error"])[:2] == ["code", "message"] for line in out if "error" in line)


def test_batch_answers_before_the_input_ends(scene):
    scene.listen(route={"route": "sql", "timing_us": {"total": 5}})
    with subprocess.Popen(scene.command("route", "--batch", "-d", "shop"), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as running:
        for n in range(3):
            running.stdin.write(b'{"id": %d, "text": "x"}\n' % n)
            running.stdin.flush()
            assert select.select([running.stdout], [], [], 10)[0]
            assert json.loads(running.stdout.readline())["id"] == n
        running.stdin.close()
    assert running.returncode == 0
    assert scene.daemon.params()["database"] == "shop"


def test_batch_exits_3_when_the_daemon_dies(scene):
    scene.listen(route=cut(3))
    assert scene.run("route", "--batch", stdin='{"id": 1, "text": "x"}\n' * 5).returncode == 3


# ---- the other commands ----

SCHEMA = {"database": "shop", "version": "8f", "schemas": [{"name": "public", "tables": [
    {"name": "orders", "kind": "table", "comment": "one row an order", "row_estimate": 20000,
     "columns": [
         {"name": "id", "type": "bigint", "nullable": False},
         {"name": "customer_id", "type": "bigint", "nullable": False, "comment": "who ordered"},
         {"name": "state", "type": "order_state", "nullable": True, "labels": ["open", "paid"]}],
     "primary_key": ["id"],
     "foreign_keys": [{"columns": ["customer_id"], "references": {
         "schema": "public", "table": "customers", "columns": ["id"]}}]},
    {"name": "sales", "kind": "view", "row_estimate": -1, "columns": [], "primary_key": [],
     "foreign_keys": []}]}]}
CACHE = dict.fromkeys(["hits", "misses", "entries", "bytes", "evictions", "expired", "stale", "lost", "dropped"], 1234567)
STATS = {
    "total_requests": 1234567, "heuristic_routing": {"hits": 1000, "percentage": 81.0},
    "model_routing": {"hits": 12},
    "cache_stats": {"hit_rate": 0.642, "total_entries": 1204, "bytes": 12900000,
                    "route": CACHE, "chat": CACHE, "sql": CACHE, "llm": CACHE},
    "response_times": {"average_ms": 3.2, "p50_ms": 1.1, "p90_ms": 8, "p99_ms": 35.1},
    "workers": [{"role": "router", "pid": 4242, "state": "ready", "restarts": 0, "in_flight": 3},
                {"role": "database", "database": "shop", "pid": 4243, "state": "backoff",
                 "restarts": 7, "in_flight": 0}], "uptime_s": 11580}
STATUS = {
    "state": "degraded", "supervisor_pid": 4200, "instance": "main",
    "children": [{"role": "router", "pid": 4242, "state": "ready", "restarts": 0, "uptime_s": 11580},
                 {"role": "database", "database": "shop", "pid": 4243, "state": "backoff",
                  "restarts": 7, "uptime_s": 3, "last_death": "signal 9 after 12 s"}],
    "databases": [{"name": "shop", "state": "refused", "reason": "role app is a superuser"}],
    "providers": [{"name": "rules", "state": "ready"},
                  {"name": "local", "state": "down", "last_error": "connection refused"}]}


def test_schema_for_people(scene):
    scene.listen(schema=SCHEMA)
    out = scene.run("schema").stdout.decode()
    assert "orders  table  20,000" in out and "view        ?" in out and "2 tables" in out
    out = scene.run("schema", "orders").stdout.decode()
    assert scene.daemon.params() == {"table": "orders"}
    assert "-> customers.id" in out and "one of open, paid" in out and "primary" in out
    rows = list(csv.reader(io.StringIO(scene.run("schema", "--csv").stdout.decode())))
    assert rows[2] == ["public", "orders", "table", "customer_id", "bigint", "false", "who ordered"]
    scene.daemon.answers["schema"] = {"database": "shop", "schemas": []}
    assert scene.run("schema", "nothing").returncode == 1


def test_stats_and_status_for_people(scene):
    scene.listen(stats=STATS, status=STATUS, reset_stats={})
    out = scene.run("stats").stdout.decode()
    assert "1,234,567 in 3 h 13 min" in out and "64.2 % hits" in out and "backoff" in out
    assert scene.daemon.requests[-1] == ("stats", None)
    out = scene.run("status").stdout.decode()
    assert "instance main: degraded, supervisor pid 4200" in out and "role app is a superuser" in out
    assert scene.run("stats", "--reset").returncode == 0
    assert [method for method, _ in scene.control.requests] == ["status", "reset_stats"]


def test_control_commands_use_the_control_socket(scene, tmp_path):
    scene.listen(flush={"flushed": 12}, reload={"changed": ["cache.ttl.sql"]})
    other = Daemon(str(tmp_path / "other.sock"), {"flush": {"flushed": 1}})
    assert scene.run("flush", "--type", "sql", "-d", "shop", "--table", "t").stdout == \
        b"12 cached entries flushed\n"
    assert scene.control.params() == {"type": "sql", "database": "shop", "table": "t"}
    assert scene.run("flush", "--control", other.path).stdout == b"1 cached entry flushed\n"
    assert scene.run("reload").stdout == b"reloaded, changed: cache.ttl.sql\n"
    assert scene.daemon.requests == []


def test_watch_goes_on_until_interrupted(scene):
    scene.listen(stats=STATS)
    with subprocess.Popen(scene.command("stats", "--watch", "--json"), stdout=subprocess.PIPE) as running:
        figures = [json.loads(running.stdout.readline()) for _ in range(2)]
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=10)
    assert running.returncode == 130 and figures == [STATS, STATS]


def on_terminal(scene, columns, *words):
    """What optimaxctl writes to a terminal of that width, as lines."""
    try:
        parent, child = pty.openpty()
    except OSError as error:
        pytest.skip(f"no terminal to be had here: {error}; is /dev/pts mounted?")
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    subprocess.run(scene.command(*words), stdout=child, check=True, timeout=30,
                   env={**os.environ, "TERM": "xterm"})
    os.close(child)
    written = os.read(parent, 65536).decode()
    os.close(parent)
    return written.splitlines()


def test_a_terminal_shows_what_fits(scene):
    """Headings stand out; long cells are wrapped; what is too wide even so comes as records."""
    scene.listen(sql={**DATA_REPLY, "rows": [["word " * 30, 1, 0.5, b"", True]]})
    wide = on_terminal(scene, 100, "sql", "x")
    assert "\x1b[1m" in wide[0] and max(map(len, wide[1:])) <= 100
    assert sum("word" in line for line in wide) > 1
    narrow = on_terminal(scene, 40, "sql", "x")
    assert narrow[0] == "-- 1" and [line.split()[0] for line in narrow if line.startswith(("total", "ok"))] == [
        "total", "ok"]


def test_interrupt_before_the_request_exits_130(scene):
    scene.listen(ask=CHAT_REPLY)
    with subprocess.Popen(scene.command("ask", "-"), stdin=subprocess.PIPE) as running:
        running.stdin.write(b"half a question")
        running.stdin.flush()
        # It has read when the pipe is empty: then it is past its start.
        while struct.unpack("i", fcntl.ioctl(running.stdin, termios.FIONREAD, b"\0" * 4))[0]:
            os.sched_yield()
        running.send_signal(signal.SIGINT)
        assert running.wait(10) == 130
    assert scene.daemon.requests == []
