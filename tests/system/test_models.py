"""The gateway to model servers: every fault of a server, and what the client and the counters see."""

import asyncio
import email.utils
import gzip
import json
import subprocess
import threading
import time

import pytest

import process
from fake_model import (FakeModel, and_close, closed_port, cut, flood, hang, held, late, ollama_events, openai_events,
                        refuse, say, sse, stream)

TYPES = ["openai", "ollama"]


def provider(model, kind="openai", **settings):
    url = settings.pop("url", None) or model.url
    return {"name": f"local-{kind}", "type": kind, "url": url, "model": "m", **settings}


@pytest.fixture
def start(new_daemon):
    """A daemon without a database whose providers are these."""
    def start(*providers, **config):
        return new_daemon(databases=[], config={"inference": {"providers": list(providers)}, **config})
    return start


def chat(daemon, question="hello", **params):
    return daemon.ask(question, route="chat", **params)


def chat_error(daemon, question="hello", **params):
    return daemon.error("ask", {"question": question, "route": "chat", **params})


def state_of(daemon, index=0):
    return daemon.status()["providers"][index]


# ---- what works

@pytest.mark.parametrize("kind", TYPES)
def test_chat_is_answered_and_cached(start, kind):
    with FakeModel([say("Good day to you")]) as model:
        daemon = start(provider(model, kind, models={"chat": "talker"}))
        reply = chat(daemon)
        assert (reply["route"], reply["text"], reply["cached"]) == ("chat", "Good day to you", False)
        assert reply["provider"] == f"local-{kind}" and reply["via"] == "client"
        again = chat(daemon)
        assert (again["text"], again["cached"], again["via"]) == ("Good day to you", True, "cache")
        assert len(model.requests) == 1
        body = model.requests[0].body
        assert body["model"] == "talker" and body["stream"] is True
        assert body["messages"][-1] == {"role": "user", "content": "hello"}
        assert body["messages"][0]["role"] == "system"
        stats = daemon.stats()
        assert stats["cache_stats"]["chat"]["hits"] == 1 and stats["cache_stats"]["llm"]["entries"] == 1
        state = state_of(daemon)
        assert state["state"] == "ready" and "last_error" not in state
        assert state["latency_ms"] >= 0 and state["tokens_per_s"] > 0


def test_ollama_request_shape(start):
    with FakeModel([say("ok")]) as model:
        daemon = start(provider(model, "ollama", max_tokens=200, keep_alive="90s"))
        chat(daemon)
        body = model.requests[0].body
        assert model.requests[0].path == "/api/chat"
        assert body["options"] == {"num_ctx": 4096, "num_predict": 200} and body["keep_alive"] == 90
        assert "format" not in body
        chat(daemon, "long " * 5000)
        assert model.requests[1].body["options"]["num_ctx"] == 16384
        # Another value would make the server load the model again.
        chat(daemon, "short")
        assert model.requests[2].body["options"]["num_ctx"] == 16384
        # What is not ASCII has more tokens for its bytes.
        chat(daemon, "長い" * 5400)
        assert model.requests[3].body["options"]["num_ctx"] == 32768


def test_history_comes_between(start):
    turns = [{"role": "user", "content": "I am Ann"}, {"role": "assistant", "content": "Hi Ann"}]
    with FakeModel([say("Ann")]) as model:
        daemon = start(provider(model))
        chat(daemon, "who am I?", history=turns)
        assert model.requests[0].messages[1:] == [*turns, {"role": "user", "content": "who am I?"}]


@pytest.mark.parametrize("kind, url_end, path", [
    ("openai", "", "/v1/chat/completions"),
    ("openai", "/", "/v1/chat/completions"),
    ("openai", "/v1", "/v1/chat/completions"),
    ("openai", "/v1/", "/v1/chat/completions"),
    ("openai", "/v1/chat/completions", "/v1/chat/completions"),
    ("openai", "/other/v1", "/other/v1/chat/completions"),
    ("ollama", "/", "/api/chat"),
    ("ollama", "/api/chat", "/api/chat"),
])
def test_urls(start, kind, url_end, path):
    events, content_type = {"openai": (openai_events("ok"), "text/event-stream"),
                            "ollama": (ollama_events("ok"), "application/x-ndjson")}[kind]
    with FakeModel([stream(events, content_type)]) as model:
        daemon = start(provider(model, kind, url=model.url + url_end))
        assert chat(daemon)["text"] == "ok"
        assert model.requests[0].path == path


def test_unix_socket(start, tmp_path):
    scratch = process.new_scratch("m")
    try:
        with FakeModel([say("ok")], unix=scratch / "model.sock") as model:
            assert chat(start(provider(model)))["text"] == "ok"
    finally:
        process.remove_scratch(scratch)


def test_api_key(start):
    scratch = process.new_scratch("k")
    key = scratch / "key"
    key.write_text("sEcret-1\n")
    key.chmod(0o600)
    process.own(key)
    try:
        with FakeModel([say("ok")]) as model:
            daemon = start(provider(model, api_key_file=str(key)))
            chat(daemon)
            assert model.requests[0].headers["authorization"] == "Bearer sEcret-1"
            key.write_text("sEcret-2\n")  # no reload: it is read when it is used
            chat(daemon, "again")
            assert model.requests[1].headers["authorization"] == "Bearer sEcret-2"
            key.chmod(0o644)
            error = chat_error(daemon, "and again")
            assert error.code == "model_error" and "chmod" in error.error["detail"]
            assert len(model.requests) == 2 and "sEcret" not in daemon.log()
    finally:
        process.remove_scratch(scratch)


def test_connections_are_used_again(start):
    with FakeModel([say("ok")]) as model:
        daemon = start(provider(model))
        for number in range(5):
            chat(daemon, f"question {number}")
        assert len(model.requests) == 5 and model.connections == 1


@pytest.mark.parametrize("kind", TYPES)
def test_connections_that_are_closed_without_a_word(start, kind):
    with FakeModel([and_close(say("ok"))]) as model:
        daemon = start(provider(model, kind))
        for number in range(20):
            assert chat(daemon, f"question {number}")["text"] == "ok"
        assert model.connections >= 20 and "last_error" not in state_of(daemon)


def test_not_streamed_is_read_too(start):
    whole = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "all"}}],
             "usage": {"completion_tokens": 5}}
    text = json.dumps(whole, indent=1).encode()
    with FakeModel([late(0.05, stream([text], "application/json; charset=utf-8"))]) as model:
        daemon = start(provider(model))
        assert chat(daemon)["text"] == "all"
        # Of the time that it took, as nothing says how long it wrote; else of what the server says.
        assert 40 < state_of(daemon)["tokens_per_s"] <= 100
        whole["timings"] = {"predicted_ms": 500.0}
        model.script(stream([json.dumps(whole).encode()], "application/json"))
        before = state_of(daemon)["tokens_per_s"]
        chat(daemon, "again")
        assert state_of(daemon)["tokens_per_s"] == pytest.approx(before * 0.8 + 10 * 0.2)


# ---- what servers do

ODD = {
    "choices null": lambda events: [*events[:-2], sse({"choices": None, "usage": {"completion_tokens": 3}}), events[-1]],
    "no choices": lambda events: [*events[:-2], sse({"usage": None}), events[-1]],
    "comments": lambda events: [b": ping\n\n", *events[:2], b":\n: more\n\n", *events[2:]],
    "CRLF": lambda events: [event.replace(b"\n", b"\r\n") for event in events],
    "every byte by itself": lambda events: [bytes([byte]) for byte in b"".join(events)],
    "no DONE": lambda events: events[:-1],
    "thoughts": lambda events: [events[0], sse({"choices": [{"delta": {"reasoning_content": "hm"}}]}), *events[1:]],
    "all at once": lambda events: [b"".join(events)],
}


@pytest.mark.parametrize("name", ODD)
def test_odd_streams(start, name):
    with FakeModel([stream(ODD[name](openai_events("Grüß Gott €")))]) as model:
        assert chat(start(provider(model)))["text"] == "Grüß Gott €"


def test_ollama_every_byte(start):
    events = [bytes([byte]) for byte in b"".join(ollama_events("Grüß Gott €"))]
    with FakeModel([stream(events)]) as model:
        assert chat(start(provider(model, "ollama")))["text"] == "Grüß Gott €"


HALF = {"openai": openai_events("Good day")[:3], "ollama": ollama_events("Good day")[:1]}


def alone(kind, finish="stop", **said):
    """An answer without content, which says other things."""
    events = (openai_events if kind == "openai" else ollama_events)("", finish)
    if kind == "openai":
        return [sse({"choices": [{"index": 0, "delta": {"content": None, **said}}]}), *events]
    return [json.dumps({"message": {"role": "assistant", "content": "", **said}, "done": False}).encode() + b"\n", *events]


FAULTS = {
    # name: (answer, what the detail says, requests)
    "no model": (lambda kind: refuse(404, "model 'm' not found"), "HTTP status 404: model 'm' not found", 1),
    "no such path": (lambda kind: refuse(404, "File Not Found"),
                     "HTTP status 404: File Not Found; it was asked for model m", 1),
    "bad request": (lambda kind: refuse(400, "too long"), "HTTP status 400: too long", 1),
    "unauthorized": (lambda kind: refuse(401, "no key"), "HTTP status 401: no key", 1),
    "server error": (lambda kind: refuse(500, "out of memory"), "HTTP status 500: out of memory", 1),
    "redirect": (lambda kind: refuse(302, "go", Location="http://127.0.0.1:1/"), "HTTP status 302", 1),
    "loading": (lambda kind: refuse(503, "Loading model"), "HTTP status 503: Loading model", 3),
    "too many": (lambda kind: refuse(429, "slow down"), "HTTP status 429: slow down", 3),
    "retry after too long": (lambda kind: refuse(429, "slow down", Retry_After="3600"), "429", 1),
    # A connection that was kept may have been closed meanwhile: curl sends once more on a new one.
    "cut before the head": (lambda kind: cut(), "the connection broke", 2),
    "cut in mid-stream": (lambda kind: cut(HALF[kind]), "the connection broke", 1),
    "ends in mid-stream": (lambda kind: stream(HALF[kind]), "stopped in the middle", 1),
    "cut by length": (lambda kind: say("half a", **{"finish" if kind == "openai" else "done_reason": "length"}),
                      "max_tokens", 1),
    "nothing": (lambda kind: say(""), "its completion is empty", 1),
    "thoughts alone": (lambda kind: stream(alone(kind, reasoning_content="hm", thinking="hm")), "completion is empty", 1),
    "a call of a tool": (lambda kind: stream(alone(kind, "tool_calls", tool_calls=[{"function": {"name": "f"}}])),
                         "its completion is empty", 1),
    "malformed JSON": (lambda kind: stream([b"data: {\"choices\": [\n\n"] if kind == "openai" else [b"{\"message\":\n"]),
                       "not the JSON", 1),
    "JSON that is no object": (lambda kind: stream([b"data: [1]\n\n"] if kind == "openai" else [b"[1]\n"]), "not the JSON", 1),
    "wrong content type": (lambda kind: stream([b"<html>"], "text/html"), "text/html", 1),
    "error in mid-stream": (lambda kind: stream([*HALF[kind], b"data: {\"error\": {\"message\": \"boom\"}}\n\n"]
                                                if kind == "openai" else [*HALF[kind], b'{"error": "boom"}\n']), "boom", 1),
    "100 MB": (lambda kind: flood(), "too large", 1),
    "100 MB in one line": (lambda kind: stream(lambda request: (b"x" * 65536 for _ in range(1600))), "too large", 1),
    "1 MB of refusal": (lambda kind: refuse(500, "x" * (1 << 20)), "HTTP status 500", 1),
    "no UTF-8": (lambda kind: stream([b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n'] if kind == "openai"
                                     else [b'{"message":{"content":"\xff"}}\n']), "not the JSON", 1),
}


def test_openai_ends_that_are_none(start):
    """What a content filter left, and the form in which vLLM used to send errors."""
    stopped = {"object": "error", "message": "out of memory", "type": "InternalServerError", "code": 500}
    for answer, says in ((say("half of it", finish="content_filter"), "content_filter"),
                         (stream([*HALF["openai"], sse(stopped)]), "it stopped with an error: out of memory")):
        with FakeModel([answer]) as model:
            assert says in chat_error(start(provider(model))).error["detail"]


def test_a_packed_answer_is_unpacked(start):
    async def packed(request, reply):
        await reply.head(Content_Encoding="gzip")
        await reply.chunk(gzip.compress(b"".join(openai_events("Good day"))))
        await reply.end()
    with FakeModel([packed]) as model:
        assert chat(start(provider(model)))["text"] == "Good day"
        assert model.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", FAULTS)
def test_faults(shared_start, kind, name):
    daemon, model = shared_start(kind)
    answer, says, requests = FAULTS[name]
    model.script(say("well"))
    chat(daemon, f"{name}, to have a connection")
    before = daemon.stats()
    model.script(answer(kind))
    error = chat_error(daemon, f"{name}, please")
    assert error.code == "model_error" and error.error["retryable"] is True
    assert f"local-{kind}: " in error.error["detail"] and says in error.error["detail"]
    assert len(model.requests) == requests
    assert says in state_of(daemon)["last_error"]
    after = daemon.stats()
    assert after["total_requests"] == before["total_requests"] + 1
    assert after["cache_stats"]["llm"]["entries"] == before["cache_stats"]["llm"]["entries"]
    # It serves on, and the failures in a row end.
    model.script(say("well"))
    assert chat(daemon, f"{name}, and now?", no_cache=True)["text"] == "well"
    assert "last_error" not in state_of(daemon)


@pytest.fixture(scope="module")
def shared_start(request):
    """One daemon and one server for each kind; the breaker never opens, as each test ends well."""
    from daemon import Daemon
    made = {}

    def start(kind):
        if kind not in made:
            model = FakeModel().__enter__()
            daemon = Daemon(config={"inference": {"providers": [provider(model, kind, first_token="5s")]}})
            made[kind] = (daemon, model)
            daemon.start()
        return made[kind]

    yield start
    for daemon, model in made.values():
        daemon.close()
        model.__exit__()


# ---- time

@pytest.mark.parametrize("kind", TYPES)
def test_slow_first_token(start, kind):
    with FakeModel([hang()]) as model:
        daemon = start(provider(model, kind, first_token="200ms"))
        error = chat_error(daemon)
        assert error.code == "model_error" and "no token came within" in error.error["detail"]
        assert model.requests[0].gone.wait(5) and len(model.requests) == 1


@pytest.mark.parametrize("kind", TYPES)
def test_stall_in_mid_stream(start, kind):
    with FakeModel([hang(HALF[kind])]) as model:
        daemon = start(provider(model, kind, first_token="200ms"))
        error = chat_error(daemon)
        assert error.code == "model_error" and "did not end in time" in error.error["detail"]
        assert model.requests[0].gone.wait(5)


def test_comments_are_no_tokens(start):
    async def pings(request, reply):
        await reply.head()
        while True:
            await reply.chunk(b": ping\n\n")
            await asyncio.sleep(0.02)
    with FakeModel([pings]) as model:
        error = chat_error(start(provider(model, first_token="300ms")))
        assert "no token came within" in error.error["detail"]


def test_timeout_of_the_provider(start):
    async def drip(request, reply):
        await reply.head()
        for event in openai_events("x" * 4000)[:-3]:
            await reply.chunk(event)
            await asyncio.sleep(0.02)
    with FakeModel([drip]) as model:
        error = chat_error(start(provider(model, timeout="400ms")))
        assert error.code == "model_error" and "did not end in time" in error.error["detail"]
        assert model.requests[0].gone.wait(5)


def test_the_clients_deadline_wins(start):
    with FakeModel([hang()]) as model:
        daemon = start(provider(model))
        assert chat_error(daemon, timeout_ms=1000).code == "timeout"
        assert model.requests[0].gone.wait(5)
        assert state_of(daemon)["state"] == "ready"


def test_the_end_of_the_transfer_is_not_awaited_for_long(start):
    async def no_end(request, reply):
        await reply.head()
        for event in openai_events("whole"):
            await reply.chunk(event)
        await asyncio.sleep(3600)
    with FakeModel([no_end]) as model:
        assert chat(start(provider(model, first_token="200ms")))["text"] == "whole"


# ---- trying again, and the next one

def test_retry_after_is_honoured(start):
    with FakeModel([refuse(429, "later", Retry_After="1"), say("now")]) as model:
        daemon = start(provider(model))
        began = time.monotonic()
        assert chat(daemon)["text"] == "now"
        assert time.monotonic() - began >= 1 and len(model.requests) == 2


def test_retry_after_a_date(start):
    """What is a day away is not asked again at once; the client is told when."""
    date = email.utils.formatdate(time.time() + 3 * 86400, usegmt=True)
    with FakeModel([refuse(503, "closed", Retry_After=date)]) as model:
        error = chat_error(start(provider(model)))
        assert error.error["retry_after_ms"] == 86_400_000 and len(model.requests) == 1


def test_loading_and_then_there(start):
    with FakeModel([refuse(503, "Loading model"), refuse(503, "Loading model"), say("now")]) as model:
        assert chat(start(provider(model)))["text"] == "now"


def test_refused_connection(start):
    daemon = start(provider(None, url=f"http://127.0.0.1:{closed_port()}"))
    error = chat_error(daemon)
    assert error.code == "model_error" and "no connection" in error.error["detail"]
    assert "no connection" in state_of(daemon)["last_error"]


def test_the_next_one_answers(start):
    with FakeModel([refuse(500)]) as broken, FakeModel([say("I can")]) as good:
        first, second = provider(broken), {**provider(good), "name": "second"}
        daemon = start(first, second)
        reply = chat(daemon)
        assert reply["text"] == "I can" and reply["provider"] == "second"
        assert "500" in state_of(daemon)["last_error"] and state_of(daemon, 1)["state"] == "ready"


def test_all_failed_names_each(start):
    with FakeModel([refuse(500, "sick")]) as one, FakeModel([cut()]) as two:
        daemon = start({**provider(one), "name": "one"}, {**provider(two), "name": "two"})
        error = chat_error(daemon)
        assert error.code == "model_error"
        assert "one: HTTP status 500: sick; two: the connection broke" in error.error["detail"]


def test_each_of_many_is_named_however_much_they_say(start):
    """Cut to whole characters, and all in one message that fits."""
    with FakeModel([refuse(500, "über" * 100)]) as model:
        daemon = start(*[{**provider(model), "name": f"the-{number}th-provider"} for number in range(12)])
        said = chat_error(daemon).error["detail"].split("; ")
        assert [one.split(": ")[0] for one in said] == [f"the-{number}th-provider" for number in range(12)]
        assert all("HTTP status 500: über" in one for one in said)
        # Nor is systemd told of each that a worker has not told of yet.
        assert len(daemon.read_notifications()) <= 4


def test_breaker(start):
    with FakeModel([refuse(500, "sick")]) as model:
        daemon = start(provider(model))
        for number in range(5):
            assert "500" in chat_error(daemon, f"question {number}").error["detail"]
        assert state_of(daemon)["state"] == "down" and daemon.status()["state"] == "degraded"
        error = chat_error(daemon, "the sixth")
        assert "not asked after failures, the last: HTTP status 500: sick" in error.error["detail"]
        assert 0 < error.error["retry_after_ms"] <= 1000 and len(model.requests) == 5
        # It is tried again after a while, by one request, and found well.
        model.script(say("well"))
        daemon.advance(2)
        assert chat(daemon, "the seventh")["text"] == "well"
        assert state_of(daemon)["state"] == "ready" and "last_error" not in state_of(daemon)


def test_what_the_model_does_is_no_failure_of_the_server(start):
    """Completions that are cut by length, or not done when a client's time is over, open no breaker."""
    async def drip(request, reply):
        await reply.head()
        for event in openai_events("x" * 4000)[:-3]:
            await reply.chunk(event)
            await asyncio.sleep(0.05)
    with FakeModel([say("half a", finish="length")]) as model:
        daemon = start(provider(model, concurrency=8))
        for number in range(6):
            assert "max_tokens" in chat_error(daemon, f"long {number}").error["detail"]
        model.script(drip)
        client = daemon.client()
        msgids = [client.send("ask", {"question": f"slow {number}", "route": "chat", "timeout_ms": 5300})
                  for number in range(6)]
        assert {client.wait_reply(msgid)[0]["code"] for msgid in msgids} == {"timeout"}
        model.script(say("well"))
        assert state_of(daemon)["state"] == "ready" and chat(daemon, "and now?")["text"] == "well"


# ---- many at once

def test_concurrency_is_held(start):
    with FakeModel([late(0.05, say("ok"))]) as model:
        daemon = start(provider(model, concurrency=4))
        threads = [threading.Thread(target=chat, args=(daemon, f"question {number}")) for number in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(model.requests) == 24 and model.most_in_flight == 4


def test_clients_take_turns(start):
    go_on = threading.Event()
    with FakeModel([held(go_on, say("ok"))]) as model:
        daemon = start(provider(model, concurrency=1, queue=16))
        many, one = daemon.client(), daemon.client()
        many_sent = [many.send("ask", {"question": f"many {number}", "route": "chat"}) for number in range(16)]
        process.wait_until(lambda: state_of(daemon)["waiting"] == 15)
        msgid = one.send("ask", {"question": "one", "route": "chat"})
        process.wait_until(lambda: state_of(daemon)["waiting"] == 16)
        go_on.set()
        one.wait(msgid)
        served = [request.messages[-1]["content"] for request in model.requests]
        assert served.index("one") <= 3
        for msgid in many_sent:
            many.wait(msgid)


def test_overloaded(start):
    with FakeModel([hang()]) as model:
        daemon = start(provider(model, concurrency=1, queue=1))
        for number, client in enumerate([daemon.client(), daemon.client()]):
            client.send("ask", {"question": f"question {number}", "route": "chat"})
            process.wait_until(lambda: (state_of(daemon)["calls"], state_of(daemon)["waiting"]) == (1, number))
        error = chat_error(daemon, "one too many")
        assert error.code == "overloaded" and error.error["retry_after_ms"] > 0
        process.wait_until(lambda: model.requests)
        assert len(model.requests) == 1


def test_leaving_ends_the_call(start):
    with FakeModel([hang()]) as model:
        daemon = start(provider(model))
        client = daemon.client()
        client.send("ask", {"question": "hello", "route": "chat"})
        process.wait_until(lambda: model.requests)
        began = time.monotonic()
        client.close()
        assert model.requests[0].gone.wait(5)
        assert time.monotonic() - began < 1
        assert state_of(daemon)["state"] == "ready"


def test_a_hundred_with_one_question(start):
    with FakeModel([hang()]) as model:
        daemon = start(provider(model))
        clients = [daemon.client() for _ in range(100)]
        msgids = [client.send("ask", {"question": "hello", "route": "chat"}) for client in clients]
        process.wait_until(lambda: daemon.stats()["total_requests"] == 100)
        process.wait_until(lambda: model.requests)
        assert len(model.requests) == 1
        # The last one to go ends the call.
        for client in clients[1:]:
            client.close()
        assert not model.requests[0].gone.wait(0.1)
        clients[0].cancel(msgids[0])
        error, _ = clients[0].wait_reply(msgids[0])
        assert error["code"] == "cancelled" and model.requests[0].gone.wait(5) and len(model.requests) == 1


# ---- streams

@pytest.mark.parametrize("kind", TYPES)
def test_text_is_streamed_as_it_comes(start, kind):
    go_on = threading.Event()

    async def halfway(request, reply):
        events = (ollama_events if kind == "ollama" else openai_events)("Good day to you")
        await reply.head(200, "application/x-ndjson" if kind == "ollama" else "text/event-stream")
        for event in events[:3]:
            await reply.chunk(event)
        while not go_on.is_set():
            await asyncio.sleep(0.001)
        for event in events[3:]:
            await reply.chunk(event)
        await reply.end()
    with FakeModel([halfway]) as model:
        client = start(provider(model, kind)).client()
        msgid = client.send("ask", {"question": "hello", "route": "chat", "stream": True})
        first = client.receive()  # while the server waits
        assert first[:2] == [2, "delta"] and first[2][:2] == [msgid, 0] and first[2][2]["text"].startswith("Good")
        go_on.set()
        reply = client.wait(msgid)
        assert reply["text"] == "Good day to you"
        parts = [first[2]] + [params for method, params in client.notifications if method == "delta"]
        assert [part[1] for part in parts] == list(range(len(parts))) and len(parts) > 1
        assert "".join(part[2]["text"] for part in parts) == "Good day to you"
        # From the cache it comes in the same way.
        again = client.send("ask", {"question": "hello", "route": "chat", "stream": True})
        client.notifications.clear()
        assert client.wait(again)["cached"] is True
        assert "".join(params[2].get("text", "") for _, params in client.notifications) == "Good day to you"


@pytest.mark.parametrize("kind", ["openai", "ollama"])
def test_thoughts_in_the_text_are_left_out(start, kind):
    """Servers without a parser for a reasoning model put them before what it says."""
    with FakeModel([say("<think>\nGreet? Yes.\n</think>\n\nGood day")] * 2 + [say("<think>Greet")]) as model:
        daemon = start(provider(model, kind))
        assert chat(daemon)["text"] == "Good day"
        with daemon.client() as client:
            msgid = client.send("ask", {"question": "hello again", "route": "chat", "stream": True})
            said = ""
            while (message := client.receive())[0] == 2:
                said += message[2][2]["text"]
            assert message[1] == msgid and said == message[3]["text"] == "Good day"
        assert "completion is empty" in chat_error(daemon, "and again").error["detail"]


def test_nobody_else_ends_what_one_began(start):
    with FakeModel([cut(openai_events("Good day")[:3])]) as first, FakeModel([say("other")]) as second:
        daemon = start(provider(first), {**provider(second), "name": "second"})
        client = daemon.client()
        msgid = client.send("ask", {"question": "hello", "route": "chat", "stream": True})
        error, _ = client.wait_reply(msgid)
        assert error["code"] == "model_error" and second.requests == []
        # Who saw nothing of it is answered by the next one.
        assert chat(daemon, "hello")["text"] == "other"


# ---- TLS

@pytest.fixture
def certificate():
    scratch = process.new_scratch("t")
    done = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                           "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                           "-keyout", scratch / "key.pem", "-out", scratch / "cert.pem"], capture_output=True)
    assert done.returncode == 0, done.stderr
    (scratch / "cert.pem").chmod(0o644)
    yield scratch / "cert.pem", scratch / "key.pem"
    process.remove_scratch(scratch)


def test_tls(start, certificate):
    with FakeModel([say("secure")], tls=certificate) as model:
        daemon = start(provider(model, ca_file=str(certificate[0])))
        assert chat(daemon)["text"] == "secure"


def test_tls_that_nobody_vouches_for(start, certificate):
    with FakeModel([say("evil")], tls=certificate) as model:
        error = chat_error(start(provider(model)))
        assert error.code == "model_error" and "certificate" in error.error["detail"]
        assert model.requests == []


def test_tls_against_a_plain_server(start):
    with FakeModel([say("plain")]) as model:
        error = chat_error(start(provider(model, url=model.url.replace("http", "https"),
                                          connect_timeout="300ms")))
        assert error.code == "model_error" and model.requests == []


# ---- budgets

def test_prompt_is_bounded(start):
    with FakeModel([say("ok")]) as small, FakeModel([say("large")]) as large:
        daemon = start(provider(small, max_prompt="1KiB"), {**provider(large), "name": "large"})
        assert chat(daemon, "long " * 400)["provider"] == "large"
        assert small.requests == []


def test_proxy_of_the_environment_is_not_used(new_daemon):
    with FakeModel([say("direct")]) as model:
        daemon = new_daemon(databases=[], config={"inference": {"providers": [provider(model)]}},
                            environment={"http_proxy": f"http://127.0.0.1:{closed_port()}", "ALL_PROXY": "http://127.0.0.1:1"})
        assert chat(daemon)["text"] == "direct"


# ---- the cache of completions

def test_llm_cache(start):
    with FakeModel([say("first"), say("second"), say("third")]) as model:
        daemon = start(provider(model))
        assert chat(daemon)["text"] == "first"
        assert daemon.call("flush", {"type": "chat"}, control=True)["flushed"] >= 1
        reply = chat(daemon)
        assert (reply["text"], reply["cached"], reply["via"]) == ("first", True, "cache") and reply["age_ms"] >= 0
        assert len(model.requests) == 1 and daemon.stats()["cache_stats"]["llm"]["hits"] == 1
        assert chat(daemon, no_cache=True)["text"] == "second"
        assert daemon.call("flush", {}, control=True)["flushed"] >= 1
        assert chat(daemon)["text"] == "third"
        # What was asked for after a flush is kept.
        daemon.call("flush", {"type": "chat"}, control=True)
        reply = chat(daemon)
        assert (reply["text"], reply["cached"]) == ("third", True) and len(model.requests) == 3


# ---- routes and SQL

SQL = "SELECT count(*) AS n FROM orders"


@pytest.fixture
def with_shop(new_daemon, shop):
    def start(*providers, **config):
        daemon = new_daemon(databases=[shop], config={"inference": {"providers": list(providers)}, **config})
        daemon.wait_serving()
        return daemon
    return start


@pytest.mark.parametrize("kind", TYPES)
def test_sql_by_a_model(with_shop, kind):
    with FakeModel([say(json.dumps({"sql": SQL}))]) as model:
        daemon = with_shop(provider(model, kind, models={"sql": "coder"}))
        reply = daemon.ask("how often did anyone buy anything", route="sql")
        assert reply["sql"] == SQL and reply["provider"] == f"local-{kind}" and len(reply["rows"]) == 1
        body = model.requests[0].body
        assert body["model"] == "coder"
        if kind == "ollama":
            assert body["format"]["required"] == ["sql"] and body["options"]["temperature"] == 0
        else:
            assert body["response_format"]["json_schema"]["schema"]["required"] == ["sql"]
            assert body["response_format"]["type"] == "json_schema" and body["temperature"] == 0
        assert "CREATE TABLE orders (" in body["messages"][1]["content"]
        # The fixed part is the same bytes for the next question: servers keep it.
        daemon.ask("and what else was there", route="sql")
        assert model.requests[1].messages[0] == model.requests[0].messages[0]


def test_sql_in_a_fence(with_shop):
    with FakeModel([say(f"Sure!\n```sql\n{SQL}\n```\nThat counts.")]) as model:
        assert with_shop(provider(model)).ask("how many", route="sql")["sql"] == SQL


def test_sql_that_is_none(with_shop):
    with FakeModel([say("I would rather talk about the weather")]) as model:
        daemon = with_shop(provider(model))
        error = daemon.error("ask", {"question": "how many", "route": "sql"})
        assert error.code == "model_error" and "\"sql\"" in error.error["detail"]
        assert daemon.stats()["cache_stats"]["llm"]["entries"] == 0
        assert state_of(daemon)["state"] == "ready"


def test_model_declines(with_shop):
    with FakeModel([say('{"sql": ""}')]) as model:
        error = with_shop(provider(model)).error("ask", {"question": "the weather", "route": "sql"})
        assert error.code == "unanswerable"


def test_hard_questions_go_to_the_strong_model(with_shop):
    with FakeModel([say(json.dumps({"sql": SQL}))]) as model:
        daemon = with_shop(provider(model, models={"sql": "small", "hard": "strong"}))
        daemon.ask("how many orders", route="sql")
        daemon.ask("what is the average total of orders per customer and product, compared to the mean", route="sql")
        assert [request.body["model"] for request in model.requests] == ["small", "strong"]


HOSTILE = [
    "DROP TABLE orders", "SELECT 1; DELETE FROM orders", "SELECT pg_sleep(100)",
    "SELECT pg_read_file('/etc/passwd')", "SELECT * FROM pg_authid",
    "WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone", "COPY orders TO PROGRAM 'id'",
    "SELECT set_config('role', 'postgres', false)", "SELECT 1 FROM orders FOR UPDATE", "SET ROLE postgres",
]


def test_hostile_sql_is_refused(with_shop):
    with FakeModel([say(json.dumps({"sql": "SELECT 1"}))]) as model:
        daemon = with_shop(provider(model))
        for number, statement in enumerate(HOSTILE):
            model.script(say(json.dumps({"sql": statement})))
            error = daemon.error("ask", {"question": f"try number {number}", "route": "sql"})
            assert error.code == "sql_rejected", statement
        assert daemon.sql(SQL)["rows"][0][0] > 0


def test_unsure_is_routed_by_the_model(with_shop):
    def answer(request):
        return '{"route": "chat"}' if "You decide" in request.messages[0]["content"] else "Fine, thanks"
    with FakeModel([say(answer)]) as model:
        daemon = with_shop(provider(model), routing={"min_confidence": 1})
        reply = daemon.ask("things of late")
        assert (reply["route"], reply["via"], reply["text"]) == ("chat", "model", "Fine, thanks")
        assert daemon.stats()["model_routing"]["hits"] == 1
        assert len(model.requests) == 2


def test_what_the_model_decides_is_evidence_for_the_threshold(with_shop):
    """It is asked where the words leave doubt; how often it agrees with what they lean to is counted."""
    def answer(request):
        return '{"route": "chat"}' if "You decide" in request.messages[0]["content"] else "Fine, thanks"
    with FakeModel([say(answer)]) as model:
        daemon = with_shop(provider(model), routing={"min_confidence": "auto"})
        assert daemon.stats()["min_confidence"] == 0.75  # nothing is known yet
        for year in range(1950, 2010):
            question = f"and in {year}?"
            assert daemon.call("route", {"text": question})["route"] == "unsure"
            assert daemon.ask(question)["via"] == "model"
        counted = daemon.stats()["model_routing"]
        assert counted["hits"] == counted["asked"] == 60
        assert 0 <= counted["agreed"] <= 60
        # All agreed, or all differed: either way the threshold has moved to where that is.
        assert daemon.stats()["min_confidence"] != 0.75
