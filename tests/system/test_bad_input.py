"""What a client can send wrong: it is told what, and nobody else is disturbed."""

import msgpack
import pytest

from client import Client, RpcError

FINE = "SELECT count(*) FROM countries"


@pytest.fixture
def neighbour(shared_daemon):
    """A connection that must be served whatever the other one sends."""
    with Client(shared_daemon.socket, 30.0) as client:
        assert client.sql(FINE)["rows"] == [[10]]
        yield client
        assert client.sql(FINE, no_cache=True)["rows"] == [[10]]


def request(method, params, msgid=1):
    return msgpack.packb([0, msgid, method, [params]])


GARBAGE = {
    "text": b"GET / HTTP/1.1\r\n\r\n",
    "zeros": bytes(64),
    "no request": msgpack.packb([7, 1, "ping", []]),
    "a map": msgpack.packb({"method": "ping"}),
    "reserved byte": b"\xc1" * 8,
    "extension type": msgpack.packb([0, 1, "ping", [msgpack.ExtType(1, b"x")]]),
    "a bomb of elements": b"\x94\x00\x01\xa3ask\x91\xdd\xff\xff\xff\xff",
    "a bomb of bytes": b"\x94\x00\x01\xa3ask\x91\xdb\xff\xff\xff\xff",
    "nested too deeply": b"\x94\x00\x01\xa3ask" + b"\x91" * 100 + b"\x01",
    "bad UTF-8": b"\x94\x00\x01\xa3ask\x91\x81\xa8question\xa2\xff\xfe",
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_ends_in_an_error_or_a_close(shared_daemon, neighbour, data):
    with Client(shared_daemon.socket, 30.0) as client:
        client.send_bytes(data)
        client.socket.shutdown(1)
        try:
            message = client.receive()
        except (EOFError, ConnectionResetError):
            return
        assert message[0] == 1 and message[2]["code"] in ("bad_request", "too_large"), message


WRONG = {
    "blank question": ("ask", {"question": "  "}, "bad_request", "question"),
    "no question": ("ask", {}, "bad_request", "question"),
    "a number as question": ("ask", {"question": 5}, "bad_request", "question"),
    "unknown key": ("sql", {"sql": FINE, "colour": "red"}, "bad_request", "colour"),
    "limit 0": ("sql", {"sql": FINE, "limit": 0}, "bad_request", "limit"),
    "timeout out of range": ("sql", {"sql": FINE, "timeout_ms": 600001}, "bad_request", "timeout_ms"),
    "unknown route": ("ask", {"question": "How many?", "route": "fast"}, "bad_request", "route"),
    "unknown database": ("sql", {"sql": FINE, "database": "nowhere"}, "unknown_database", "nowhere"),
    "unknown method": ("drop", {}, "unknown_method", "drop"),
    "control method": ("status", {}, "forbidden", "control"),
    "long statement": ("sql", {"sql": FINE + " " * 9000}, "too_large", "8"),
    "long question": ("ask", {"question": "how many " * 4000}, "too_large", "32"),
}


@pytest.mark.parametrize("method, params, code, word", WRONG.values(), ids=WRONG.keys())
def test_the_error_names_what_is_wrong(shared_daemon, neighbour, method, params, code, word):
    with Client(shared_daemon.socket, 30.0) as client:
        with pytest.raises(RpcError) as raised:
            client.call(method, params)
        assert raised.value.code == code, raised.value.error
        assert word in raised.value.message, raised.value.error
        assert client.call("ping")["protocol"] == 1  # the connection goes on


def test_a_question_of_one_mebibyte(shared_daemon, neighbour):
    with Client(shared_daemon.socket, 30.0) as client:
        client.send_bytes(request("ask", {"question": "x" * (1 << 20)}))
        error, _ = client.wait_reply(1)
        assert error["code"] == "too_large"
        with pytest.raises((EOFError, ConnectionResetError)):
            client.receive()


def test_a_request_in_small_pieces(shared_daemon):
    with Client(shared_daemon.socket, 30.0) as client:
        for byte in request("sql", {"sql": FINE}):
            client.send_bytes(bytes([byte]))
        assert client.wait(1)["rows"] == [[10]]


def test_many_requests_on_one_connection(shared_daemon):
    with Client(shared_daemon.socket, 30.0) as client:
        ids = [client.send("sql", {"sql": f"SELECT {n} AS n"}) for n in range(50)]
        assert [client.wait(msgid)["rows"] for msgid in ids] == [[[n]] for n in range(50)]


def test_a_msgid_that_is_in_flight(shared_daemon):
    with Client(shared_daemon.socket, 30.0) as client:
        client.send_bytes(request("sql", {"sql": FINE, "no_cache": True}) * 2)
        codes = [message[2] and message[2]["code"] for message in (client.receive(), client.receive())]
        assert sorted(codes, key=str) == [None, "bad_request"]


STATEMENTS = {
    "DELETE FROM orders": "not_select",
    "SELECT 1; SELECT 2": "multiple",
    "": "empty",
    "SELEC 1": "parse",
    "SELECT pg_sleep(1)": "function",
    "SELECT * FROM pg_authid": "relation",
    "SELECT * FROM orders FOR UPDATE": "locking",
    "SELECT * INTO mine FROM orders": "into",
}


@pytest.mark.parametrize("sql, code", STATEMENTS.items())
def test_statements_that_are_refused(shared_daemon, sql, code):
    verdict = shared_daemon.call("check", {"sql": sql})
    assert (verdict["verdict"], verdict["code"]) == ("reject", code), verdict
    if sql:
        error = shared_daemon.error("sql", {"sql": sql})
        assert (error.code, error.detail) == ("sql_rejected", code)


def test_a_wrong_statement_is_postgresqls_error(shared_daemon):
    error = shared_daemon.error("sql", {"sql": "SELECT 1 / (id - id) FROM customers"})
    assert (error.code, error.sqlstate) == ("sql_error", "22012")


def test_a_client_that_has_sent_its_last_gets_its_answers(shared_daemon):
    with Client(shared_daemon.socket, 30.0) as client:
        for n in range(5):
            client.send_bytes(request("sql", {"sql": f"SELECT {n}, count(*) FROM orders", "no_cache": True}, n))
        client.socket.shutdown(1)
        assert [client.wait(n)["rows"][0][0] for n in range(5)] == list(range(5))
        with pytest.raises(EOFError):
            client.receive()
