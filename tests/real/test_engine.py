"""OptimaX against a real inference engine, llama.cpp's server. What the engine does here and the scripted server of
the system tests does not, or does otherwise, is a finding: it belongs there, too."""

import os
import signal
import threading
import time

import pytest

import gguf
import process
from engine import Engine, free_port

SQL = "SELECT count(*) AS customers FROM customers"
GREETING = [":", "Good", " day", " to", " you", "!", gguf.END]
# Letters of several bytes, each byte a token, as vocabularies have them for rare ones.
ACCENTS = [":", "caf", "<0xC3>", "<0xA9>", " at 3 ", "<0xE2>", "<0x82>", "<0xAC>", " for", "<0xF0>", "<0x9F>", "<0x90>",
           "<0x98>", gguf.END]
WITHOUT_END = [":", " on", " and", " on"]
# After a quotation mark comes the statement where any text may be, else the s of "sql".
STATEMENT = [['"', SQL, '"'], ['"', ("s", 0.5)]]
# The prompt with a schema has thousands of bytes, each a token.
SMALL = {"width": 64, "blocks": 1, "context": 16384}
MS = 1000.0


@pytest.fixture(scope="session")
def model(folder):
    """The file of a model that has learned these chains."""
    made = {}

    def model(*chains, **shape):
        key = repr((chains, shape))
        if key not in made:
            made[key] = folder / f"model-{len(made)}.gguf"
            gguf.write(made[key], chains, **shape)
            made[key].chmod(0o644)
        return made[key]
    return model


@pytest.fixture
def start_engine(program, folder):
    engines = []

    def start(model, **options):
        engines.append(Engine(program, folder, model, **options))
        return engines[-1]
    yield start
    for engine in engines:
        engine.kill()


@pytest.fixture
def start(new_daemon):
    """A daemon with the engine as its only provider, and without a database."""
    def start(engine, databases=(), **settings):
        # No text is routed by its words alone.
        daemon = new_daemon(databases=list(databases), config={
            "routing": {"min_confidence": 1}, "inference": {"providers": [provider(engine, **settings)], "repairs": 0}})
        if databases:
            daemon.wait_serving()
        return daemon
    return start


class Later:
    """Where an engine will be."""

    def __init__(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"


def provider(engine, **settings):
    return {"name": "real", "type": "openai", "url": engine.url, "model": "tiny", "max_tokens": 256, **settings}


def chat(daemon, question="hello", **params):
    return daemon.ask(question, route="chat", **params)


def chat_error(daemon, question="hello", **params):
    return daemon.error("ask", {"question": question, "route": "chat", **params})


def streamed(client, question):
    """(texts of the parts, error, result) of a streamed chat answer."""
    client.notifications.clear()
    error, result = client.wait_reply(client.send("ask", {"question": question, "route": "chat", "stream": True}))
    return [params[2]["text"] for _, params in client.notifications], error, result


# ---- what it says

def test_chat(start_engine, start, model):
    daemon = start(start_engine(model(GREETING)))
    reply = chat(daemon)
    assert (reply["text"], reply["provider"], reply["cached"]) == ("Good day to you!", "real", False)
    assert chat(daemon)["cached"] is True
    state = daemon.status()["providers"][0]
    assert state["state"] == "ready" and state["latency_ms"] >= 0 and state["tokens_per_s"] > 0


def test_chat_is_streamed(start_engine, start, model):
    client = start(start_engine(model(GREETING))).client()
    parts, error, result = streamed(client, "hello")
    assert error is None and result["text"] == "Good day to you!"
    assert "".join(parts) == result["text"] and len(parts) >= 4


def test_letters_of_several_tokens(start_engine, start, model):
    parts, error, result = streamed(start(start_engine(model(ACCENTS))).client(), "hello")
    assert error is None and result["text"] == "café at 3 € for🐘" and "".join(parts) == result["text"]


def test_unix_socket(start_engine, start, model, folder):
    engine = start_engine(model(GREETING), unix=str(folder / "llama.sock"))
    assert chat(start(engine))["text"] == "Good day to you!"


def test_sql_comes_as_the_object_asked_for_and_is_run(start_engine, start, model, shop):
    daemon = start(start_engine(model(*STATEMENT, **SMALL), slots=1, tokens=16384), [shop])
    reply = daemon.ask("how many customers are there", route="sql")
    assert reply["sql"] == SQL and reply["columns"][0]["name"] == "customers" and reply["rows"][0][0] > 0
    assert reply["provider"] == "real"


def test_the_route_is_decided(start_engine, start, model, shop):
    daemon = start(start_engine(model(*STATEMENT, **SMALL), slots=1, tokens=16384), [shop])
    reply = daemon.ask("things of late")
    assert (reply["route"], reply["via"], reply["sql"]) == ("sql", "model", SQL)


@pytest.mark.parametrize("seed", range(4))
def test_random_weights_keep_to_the_schema(start_engine, start, model, shop, seed):
    """The grammar that the engine makes of our schema holds whatever the model would rather say."""
    daemon = start(start_engine(model(seed=seed, **SMALL), slots=1, tokens=16384), [shop], max_tokens=512)
    # Noise where any text may be: refused as SQL, or without an end, or the engine itself has
    # something against it. Never another shape.
    error = daemon.error("ask", {"question": "how many customers are there", "route": "sql"})
    assert error.code in ("sql_rejected", "sql_error", "unanswerable") or any(
        words in error.detail for words in ("limit on tokens", "it stopped with an error: ")), error.error
    # The routing has two answers, and one of them it is; what comes after that is noise again.
    client = daemon.client()
    client.wait_reply(client.send("ask", {"question": "things of late"}))
    assert daemon.stats()["model_routing"]["hits"] == 1


def test_the_fixed_part_of_a_prompt_is_read_once(start_engine, start, model, shop):
    engine = start_engine(model(*STATEMENT, **SMALL), slots=1, tokens=16384)
    daemon = start(engine, [shop])
    daemon.ask("how many customers are there", route="sql")
    first = engine.counter("prompt_tokens_total")
    daemon.ask("tell me how many customers we have", route="sql")
    second = engine.counter("prompt_tokens_total") - first
    assert second < first / 4, f"{first:.0f} tokens of the first prompt were read, {second:.0f} of the second"


def test_an_unknown_model_is_served(start_engine, start, model):
    """It has one model, and serves it under any name."""
    assert chat(start(start_engine(model(GREETING)), model="nobody-has-this"))["text"] == "Good day to you!"


def test_api_key(start_engine, start, model, folder):
    engine = start_engine(model(GREETING), options=["--api-key", "secret"])
    key = folder / "key"
    key.write_text("wrong\n")
    key.chmod(0o600)
    process.own(key)
    daemon = start(engine, api_key_file=key)
    error = chat_error(daemon)
    assert error.code == "model_error" and "HTTP status 401" in error.detail and "API" in error.detail
    key.write_text("secret\n")
    assert chat(daemon)["text"] == "Good day to you!"


# ---- what goes wrong

def test_a_prompt_that_does_not_fit(start_engine, start, model):
    daemon = start(start_engine(model(GREETING), slots=1, tokens=512))
    error = chat_error(daemon, "word " * 1000)
    assert error.code == "model_error" and "exceeds the available context size" in error.detail
    parts, error, _ = streamed(daemon.client(), "word " * 1000)
    assert parts == [] and error["code"] == "model_error" and "exceeds the available context" in error["detail"]
    # It said no: it is there.
    assert daemon.status()["providers"][0]["state"] == "ready" and chat(daemon)["text"] == "Good day to you!"


def test_an_answer_that_does_not_end(start_engine, start, model):
    daemon = start(start_engine(model(WITHOUT_END)), max_tokens=40)
    error = chat_error(daemon)
    assert error.code == "model_error" and "limit on tokens" in error.detail


def test_it_dies_in_mid_stream(start_engine, start, model):
    engine = start_engine(model(WITHOUT_END))
    client = start(engine, max_tokens=4000).client()
    client.send("ask", {"question": "hello", "route": "chat", "stream": True})
    assert client.receive()[:2] == [2, "delta"]
    engine.kill()
    while (message := client.receive())[0] == 2:
        pass
    error = message[2]
    assert error["code"] == "model_error" and "the connection broke" in error["detail"]


def test_it_comes_back(start_engine, start, model):
    engine = start_engine(model(GREETING))
    daemon = start(engine)
    assert chat(daemon, "one")["text"] == "Good day to you!"
    engine.kill()
    error = chat_error(daemon, "two")
    assert error.code == "model_error" and "no connection" in error.detail
    start_engine(model(GREETING), port=engine.port)
    assert chat(daemon, "three")["text"] == "Good day to you!"


def test_asked_while_it_loads(start_engine, start, model):
    """It says 503, and is asked again. A model of 300 MB takes long enough to be met while it loads;
    how much longer is the machine's affair, so the worker sleeps meanwhile."""
    later = Later()
    daemon = start(later)
    client, worker = daemon.client(), daemon.pids("inference")[0]
    engine = start_engine(model(GREETING, blocks=24, feed_forward=8192), port=later.port, wait=False,
                          options=["--load-mode", "none"])
    engine.wait_health(503)
    msgid = client.send("ask", {"question": "hello", "route": "chat"})
    process.wait_until(lambda: "HTTP status 503: Loading model; it is asked again" in daemon.log())
    os.kill(worker, signal.SIGSTOP)
    try:
        engine.wait_ready()
    finally:
        os.kill(worker, signal.SIGCONT)
    assert client.wait(msgid)["text"] == "Good day to you!"


# ---- many, and those who leave

def test_leaving_frees_the_slot(start_engine, start, model):
    engine = start_engine(model(WITHOUT_END))
    daemon = start(engine, max_tokens=4000)
    took = []
    for how in ("close", "cancel", "close", "cancel", "close"):
        client = daemon.client()
        msgid = client.send("ask", {"question": f"hello {len(took)}", "route": "chat"})
        engine.wait_busy(1)
        began = time.monotonic()
        if how == "close":
            client.close()
        else:
            client.cancel(msgid)
        engine.wait_busy(0)
        took.append((time.monotonic() - began) * MS)
    print("a slot is free after", ", ".join(f"{one:.0f}" for one in took), "ms")
    assert min(took) <= 50


def test_concurrency_is_held(start_engine, start, model):
    engine = start_engine(model(WITHOUT_END), slots=4)
    daemon = start(engine, max_tokens=100, concurrency=2)
    threads = [threading.Thread(target=chat_error, args=(daemon, f"question {number}")) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert engine.most_at_once() == 2


def test_the_connections_that_it_closes(start_engine, start, model):
    """It promises to keep them, but closes each after an answer that was streamed; others it closes
    after 100 requests or 5 s. Nobody sees anything of it."""
    engine = start_engine(model(GREETING))
    daemon = start(engine)
    for number in range(130):
        assert chat(daemon, f"question {number}")["text"] == "Good day to you!"
    assert len(engine.connections()) <= 1
    state = daemon.status()["providers"][0]
    assert state["state"] == "ready" and "last_error" not in state
