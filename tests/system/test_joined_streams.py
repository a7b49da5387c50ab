"""One call for all who stream the answer to one question, whenever they come and however they read."""

import asyncio
import contextlib
import random
import socket
import threading

import pytest

import process
from client import RpcError
from daemon import is_sanitized
from fake_model import FakeModel, TYPES, ollama_events, openai_events, say
from test_stream import memory

TEXT = "Good day to you, and to all who ask the same at the same time. " * 20
KINDS = ["openai", "ollama"]


def stepwise(text, stops):
    """The text in pieces; before the piece of that number it waits for the test."""
    async def answer(request, reply):
        events = (ollama_events if request.path == "/api/chat" else openai_events)(text)
        await reply.head(200, TYPES[request.path])
        for number, event in enumerate(events):
            if number in stops:
                while not stops[number].is_set():
                    await asyncio.sleep(0.001)
            await reply.chunk(event)
        await reply.end()
    return answer


def provider(model, kind="openai", **settings):
    return {"name": "local", "type": kind, "url": model.url, "model": "m", **settings}


@pytest.fixture
def start(new_daemon):
    def start(*providers, workers=1):
        daemon = new_daemon(databases=[], config={"inference": {"workers": workers, "providers": list(providers)}})
        process.wait_until(lambda: len(daemon.pids("inference")) == workers and daemon.status()["state"] == "ready")
        return daemon
    return start


class Asker:
    """One client with one question; its deltas are checked as they come."""

    def __init__(self, daemon, question="hello", stream=True, **params):
        self.client = daemon.client()
        self.text, self.parts, self.reply = "", 0, None
        self.msgid = self.client.send("ask", {"question": question, "route": "chat", "stream": stream, **params})

    def read(self, until=None):
        """To the reply, or until that many characters are there."""
        while self.reply is None and (until is None or len(self.text) < until):
            message = self.client.receive()
            if message[0] == 1:
                assert message[1] == self.msgid
                if message[2] is not None:
                    raise RpcError(message[2])
                self.reply = message[3]
                break
            _, method, (msgid, seq, part) = message
            assert (method, msgid, seq) == ("delta", self.msgid, self.parts) and list(part) == ["text"]
            self.parts += 1
            self.text += part["text"]
        return self


def asked(daemon, count):
    process.wait_until(lambda: daemon.stats()["total_requests"] == count)


@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_join_at_any_time_and_get_the_same(start, kind):
    stops = {number: threading.Event() for number in (3, 150, 300)}
    with FakeModel([stepwise(TEXT, stops)]) as model:
        daemon = start(provider(model, kind))
        first = [Asker(daemon) for _ in range(40)]
        for asker in first:
            asker.read(until=4)  # in mid-stream, while the server waits
        quiet = [Asker(daemon, stream=False) for _ in range(10)]
        second = [Asker(daemon) for _ in range(30)]
        asked(daemon, 80)
        for asker in second:
            assert asker.read(until=4).parts == 1
        stops[3].set()
        for asker in first + second:
            asker.read(until=500)
        late = [Asker(daemon) for _ in range(20)]
        for asker in late:
            assert len(asker.read(until=1).text) >= 500  # all that had come, at once
        stops[150].set()
        stops[300].set()
        for asker in first + second + late + quiet:
            reply = asker.read().reply
            assert reply["text"] == TEXT and reply["cached"] is False and reply["provider"] == "local"
            assert asker.text == (TEXT if asker not in quiet else "")
        assert len(model.requests) == 1
        assert daemon.ask("hello", route="chat")["cached"] is True


@pytest.mark.parametrize("kind", KINDS)
def test_who_streams_joins_one_who_does_not(start, kind):
    stops = {10: threading.Event()}
    with FakeModel([stepwise(TEXT, stops)]) as model:
        daemon = start(provider(model, kind))
        quiet = Asker(daemon, stream=False)
        process.wait_until(lambda: model.requests)
        joined = Asker(daemon).read(until=4)  # the server has not ended
        assert TEXT.startswith(joined.text) and joined.reply is None
        stops[10].set()
        assert joined.read().text == joined.reply["text"] == quiet.read().reply["text"] == TEXT
        assert len(model.requests) == 1 and joined.parts > 1


def test_a_failure_before_anybody_saw_a_part_is_the_next_ones(start):
    """The one who does not stream is answered by the next provider, as it would be alone."""
    stops = {3: threading.Event()}

    async def breaks(request, reply):
        await reply.head(200, TYPES[request.path])
        for event in openai_events(TEXT)[:6]:
            await reply.chunk(event)
        while not stops[3].is_set():
            await asyncio.sleep(0.001)
        reply.cut()
    with FakeModel([breaks]) as first, FakeModel([say("other")]) as second:
        daemon = start(provider(first), {**provider(second), "name": "second"})
        quiet = Asker(daemon, stream=False)
        process.wait_until(lambda: first.requests)
        streaming = Asker(daemon).read(until=4)
        stops[3].set()
        with pytest.raises(RpcError, match="model_error"):
            streaming.read()
        assert quiet.read().reply["text"] == "other"


def test_who_reads_nothing_holds_nobody_up_and_nothing_grows(start):
    large = "x" * 700_000
    stops = {number: threading.Event() for number in (2, 1)}

    async def answer(request, reply):
        # As few events as can be: the text is what is large.
        await reply.head(200, TYPES[request.path])
        for at in range(0, len(large), 7000):
            if at == 7000:
                while not stops[2].is_set():
                    await asyncio.sleep(0.001)
            await reply.chunk(ollama_events("")[-1].replace(b'"content": ""', b'"content": "%s"' % large[at:at + 7000].encode())
                              .replace(b'"done": true', b'"done": false'))
        while not stops[1].is_set():
            await asyncio.sleep(0.001)
        await reply.chunk(ollama_events("")[-1])
        await reply.end()
    with FakeModel([answer]) as model:
        daemon = start(provider(model, "ollama", max_tokens=100_000))
        router, = daemon.pids("router")
        askers = [Asker(daemon) for _ in range(20)]
        slow = [Asker(daemon) for _ in range(20)]
        for asker in slow:
            asker.client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for asker in askers:
            asker.read(until=1)
        asked(daemon, 40)
        before = memory(router, "RssAnon")
        stops[2].set()
        for asker in askers:
            assert asker.read(until=len(large)).text == large
        # Twenty who read nothing: the text is kept once, not twenty times.
        if not is_sanitized():
            assert memory(router, "RssAnon") - before < 8 << 20
        stops[1].set()
        for asker in askers + slow:
            assert asker.read().text == asker.reply["text"] == large
        assert len(model.requests) == 1


def test_the_first_one_may_leave_and_the_last_one_ends_the_call(start):
    stops = {20: threading.Event(), 40: threading.Event()}
    with FakeModel([stepwise(TEXT, stops)]) as model:
        daemon = start(provider(model))
        askers = [Asker(daemon).read(until=4) for _ in range(5)]
        askers[0].client.close()
        askers[1].client.cancel(askers[1].msgid)
        with pytest.raises(RpcError, match="cancelled"):
            askers[1].read()
        stops[20].set()
        for asker in askers[2:]:
            asker.read(until=100)
        assert not model.requests[0].gone.is_set()
        for asker in askers[2:]:
            asker.client.close()
        assert model.requests[0].gone.wait(5) and len(model.requests) == 1
        # Who asks now gets a call of its own, and all of the text.
        stops[40].set()
        assert Asker(daemon).read().text == TEXT and len(model.requests) == 2


def test_who_has_more_time_is_not_ended_with_the_first(start):
    stops = {20: threading.Event()}
    with FakeModel([stepwise(TEXT, stops)]) as model:
        daemon = start(provider(model))
        impatient = Asker(daemon, timeout_ms=1500).read(until=4)
        patient = Asker(daemon, timeout_ms=60000).read(until=4)
        with pytest.raises(RpcError, match="timeout"):
            impatient.read()
        assert not model.requests[0].gone.wait(0.3)
        stops[20].set()
        assert patient.read().text == TEXT and len(model.requests) == 1


def test_a_worker_that_dies_in_mid_stream(start):
    """Those who saw a part are told; the others get the second run."""
    stops = {5: threading.Event()}
    with FakeModel([stepwise(TEXT, stops), say("again")]) as model:
        daemon = start(provider(model))
        streaming = [Asker(daemon).read(until=4) for _ in range(20)]
        quiet = [Asker(daemon, stream=False) for _ in range(20)]
        asked(daemon, 40)
        daemon.kill("inference")
        for asker in streaming:
            with pytest.raises(RpcError) as caught:
                asker.read()
            assert caught.value.code == "worker_crashed" and caught.value.retryable
        for asker in quiet:
            assert asker.read().reply["text"] == "again"
        assert model.requests[0].gone.wait(5) and len(model.requests) == 2
        assert Asker(daemon, "and now?").read().text == "again"


@pytest.mark.parametrize("seed", [1, 2])
def test_any_mix_of_joining_leaving_and_dying(start, seed):
    """Whoever stays gets one ending: the whole text, or that the worker has died."""
    async def slowly(request, reply):
        await reply.head(200, TYPES[request.path])
        for event in openai_events(TEXT):
            await reply.chunk(event)
            await asyncio.sleep(0.001)
        await reply.end()
    chance = random.Random(seed)
    with FakeModel([slowly]) as model:
        daemon = start(provider(model, concurrency=2), workers=2)
        router, = daemon.pids("router")
        staying = []
        for number in range(150):
            asker = Asker(daemon, chance.choice(["one", "two", "three"]), stream=chance.random() < 0.7)
            match chance.randrange(5):
                case 0:
                    asker.client.close()
                case 1:
                    asker.client.cancel(asker.msgid)
                    with contextlib.suppress(RpcError):
                        asker.read()
                        assert asker.reply["text"] == TEXT
                case _:
                    staying.append(asker)
            if number in (50, 100):
                daemon.kill("inference", index=chance.randrange(2))
                process.wait_until(lambda: len(daemon.pids("inference")) == 2)
        ended = {"text": 0, "worker_crashed": 0}
        for asker in staying:
            try:
                assert asker.read().reply["text"] == TEXT
                assert asker.text in ("", TEXT)
                ended["text"] += 1
            except RpcError as error:
                ended[error.code] += 1
        assert ended["text"] > 0 and len(model.requests) < 20
        process.wait_until(lambda: model.in_flight == 0)
        assert [one["in_flight"] for one in daemon.stats()["workers"] if one["role"] == "inference"] == [0, 0]
        assert daemon.pids("router") == [router]
