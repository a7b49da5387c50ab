"""`concurrency` and `queue` of a provider, over all inference workers: the router holds the permits."""

import asyncio
import os
import random
import signal
import threading

import pytest

import process
from fake_model import FakeModel, closed_port, hang, held, late, say


def provider(model, **settings):
    return {"name": "local", "type": "openai", "url": model.url, "model": "m", **settings}


class Gate:
    """An answer that each question waits for until it is let through."""

    def __init__(self, model):
        self.model = model
        self.open = set()

    async def answer(self, request, reply):
        question = request.messages[-1]["content"]
        while question not in self.open:
            await asyncio.sleep(0.001)
        await say(f"of {question}")(request, reply)


@pytest.fixture
def start(new_daemon):
    def start(*providers, workers=3):
        daemon = new_daemon(databases=[], config={"inference": {"workers": workers, "providers": list(providers)}})
        process.wait_until(lambda: len(daemon.pids("inference")) == workers and daemon.status()["state"] == "ready")
        return daemon
    return start


def ask_all(client, questions):
    return {client.send("ask", {"question": question, "route": "chat", "timeout_ms": 60000}): question
            for question in questions}


def calls_and_waiting(daemon):
    """Of the first provider. A job that a worker has got may not have asked for its permit yet."""
    one = daemon.status()["providers"][0]
    return one["calls"], one["waiting"]


def in_flight(daemon):
    return sum(one["in_flight"] for one in daemon.stats()["workers"] if one["role"] == "inference")


def test_all_permits_are_used_whoever_is_done_first(start):
    """Calls end in any order, so that the workers have more and less to do; nobody's part lies idle."""
    with FakeModel() as model:
        gate = Gate(model)
        model.script(gate.answer)
        daemon = start(provider(model, concurrency=4, queue=64))
        client = daemon.client()
        questions = [f"question {number}" for number in range(36)]
        msgids = ask_all(client, questions)

        process.wait_until(lambda: calls_and_waiting(daemon) == (4, 32))
        assert daemon.status()["providers"][0]["concurrency"] == 4
        chance = random.Random(1)
        for left in range(36, 0, -1):
            process.wait_until(lambda: len(model.requests) == min(36, 40 - left) and model.in_flight == min(4, left))
            began = [request.messages[-1]["content"] for request in model.requests]
            gate.open.add(chance.choice([question for question in began if question not in gate.open]))
        for msgid, question in msgids.items():
            assert client.wait(msgid)["text"] == f"of {question}"
        assert model.most_in_flight == 4 and len(model.requests) == 36
        served = [one["in_flight"] for one in daemon.stats()["workers"] if one["role"] == "inference"]
        assert served == [0, 0, 0]


def test_one_with_a_thousand_does_not_starve_one_with_one(start):
    go_on = threading.Event()
    with FakeModel([held(go_on, say("ok"))]) as model:
        daemon = start(provider(model, concurrency=2, queue=2000))
        many, one = daemon.client(), daemon.client()
        ask_all(many, [f"many {number}" for number in range(1000)])
        process.wait_until(lambda: calls_and_waiting(daemon) == (2, 998))
        msgid, = ask_all(one, ["one"])
        process.wait_until(lambda: calls_and_waiting(daemon) == (2, 999))
        go_on.set()
        one.wait(msgid)
        served = [request.messages[-1]["content"] for request in model.requests]
        assert served.index("one") <= 10  # of a thousand
        many.close()


def test_the_queue_takes_as_many_as_it_says(start):
    with FakeModel([hang()]) as model:
        daemon = start(provider(model, concurrency=2, queue=3))
        clients = [daemon.client() for _ in range(6)]
        msgids = []
        for number, client in enumerate(clients[:5]):
            msgids += ask_all(client, [f"question {number}"])
            process.wait_until(lambda: sum(calls_and_waiting(daemon)) == number + 1)
        process.wait_until(lambda: model.in_flight == 2)
        error, _ = clients[5].wait_reply(list(ask_all(clients[5], ["one too many"]))[0])
        assert error["code"] == "overloaded" and error["retryable"] and error["retry_after_ms"] > 0
        assert in_flight(daemon) == 5 and model.most_in_flight == 2
        # The one with the most of them has to go for somebody else.
        more = list(ask_all(clients[0], ["a second"]))[0]
        error, _ = clients[0].wait_reply(more)
        assert error["code"] == "overloaded"
        clients[4].cancel(msgids[4])
        assert clients[4].wait_reply(msgids[4])[0]["code"] == "cancelled"
        ask_all(clients[5], ["now there is room"])
        process.wait_until(lambda: calls_and_waiting(daemon) == (2, 3))


def test_who_leaves_takes_nobodys_place(start):
    """At once, and not when the worker has heard of it."""
    with FakeModel([hang()]) as model:
        daemon = start(provider(model, concurrency=1, queue=1), workers=1)
        ask_all(daemon.client(), ["one that is asked"])
        process.wait_until(lambda: calls_and_waiting(daemon) == (1, 0))
        client = daemon.client()
        msgid, = ask_all(client, ["one that waits"])
        process.wait_until(lambda: calls_and_waiting(daemon) == (1, 1))
        worker = daemon.kill("inference", signal.SIGSTOP)
        try:
            client.cancel(msgid)
            assert client.wait_reply(msgid)[0]["code"] == "cancelled"
            assert calls_and_waiting(daemon) == (1, 0)
        finally:
            os.kill(worker, signal.SIGCONT)
        # Nor does one that comes to ask when nobody waits for it any more.
        os.kill(worker, signal.SIGSTOP)
        try:
            msgid, = ask_all(client, ["one that has not asked yet"])
            process.wait_until(lambda: in_flight(daemon) >= 2)
            client.cancel(msgid)
            assert client.wait_reply(msgid)[0]["code"] == "cancelled"
        finally:
            os.kill(worker, signal.SIGCONT)
        process.wait_until(lambda: in_flight(daemon) == 1)
        assert calls_and_waiting(daemon) == (1, 0)
        ask_all(client, ["one that gets the place"])
        process.wait_until(lambda: calls_and_waiting(daemon) == (1, 1))


def test_permits_of_a_worker_that_dies_come_back(start):
    with FakeModel([hang()]) as model:
        daemon = start(provider(model, concurrency=4, queue=64), workers=2)
        client = daemon.client()
        ask_all(client, [f"question {number}" for number in range(12)])
        process.wait_until(lambda: model.in_flight == 4 and in_flight(daemon) == 12)
        began = len(model.requests)
        for index in (0, 1):
            daemon.kill("inference", index=index)
            process.wait_until(lambda: len(model.requests) > began and model.in_flight == 4)
            process.wait_until(lambda: len(daemon.pids("inference")) == 2)
            began = len(model.requests)
        model.script(say("well"))
        client.close()
        assert daemon.ask("and now?", route="chat")["text"] == "well"


def test_a_new_router_has_all_permits(start):
    with FakeModel([hang()]) as model:
        daemon = start(provider(model, concurrency=2, queue=64), workers=2)
        client = daemon.client()
        ask_all(client, [f"question {number}" for number in range(6)])
        process.wait_until(lambda: model.in_flight == 2)
        daemon.kill("router")
        process.wait_until(lambda: model.in_flight == 0)  # nobody waits for those any more
        process.wait_until(lambda: daemon.try_status() is not None)
        again = daemon.client()
        ask_all(again, [f"again {number}" for number in range(6)])
        process.wait_until(lambda: model.in_flight == 2 and in_flight(daemon) == 6)


def test_a_reload_moves_the_limit_and_ends_no_call(start):
    with FakeModel() as model:
        gate = Gate(model)
        model.script(gate.answer)
        daemon = start(provider(model, concurrency=1, queue=64), workers=2)
        client = daemon.client()
        questions = [f"question {number}" for number in range(8)]
        msgids = ask_all(client, questions)
        process.wait_until(lambda: model.in_flight == 1 and in_flight(daemon) == 8)
        for concurrency in (3, 2):
            daemon.configure({"inference": {"providers": [provider(model, concurrency=concurrency)]}})
            daemon.call("reload", control=True)
            process.wait_until(lambda: model.in_flight == 3)
        gate.open.add(model.requests[0].messages[-1]["content"])
        process.wait_until(lambda: model.in_flight == 2)
        assert len(model.requests) == 3  # the limit is two now
        gate.open.update(questions)
        for msgid, question in msgids.items():
            assert client.wait(msgid)["text"] == f"of {question}"
        assert model.most_in_flight == 3 and len(model.requests) == 8


def test_the_next_provider_has_permits_of_its_own(start):
    """Who fails keeps none of the first one's, and waits for one of the second's."""
    with FakeModel([late(0.02, say("second"))]) as second:
        first = {"name": "first", "type": "openai", "url": f"http://127.0.0.1:{closed_port()}", "model": "m", "concurrency": 2}
        daemon = start(first, provider(second, concurrency=1, queue=64))
        client = daemon.client()
        for msgid in ask_all(client, [f"question {number}" for number in range(12)]):
            assert client.wait(msgid)["provider"] == "local"
        assert second.most_in_flight == 1 and len(second.requests) == 12


def test_what_the_cache_has_needs_no_permit(start):
    with FakeModel([say("known"), hang()]) as model:
        daemon = start(provider(model, concurrency=1, queue=1))
        assert daemon.ask("hello", route="chat")["text"] == "known"
        daemon.call("flush", {"type": "chat"}, control=True)
        ask_all(daemon.client(), ["one that takes it"])
        process.wait_until(lambda: model.in_flight == 1)
        reply = daemon.ask("hello", route="chat")
        assert reply["text"] == "known" and reply["cached"] and model.in_flight == 1
