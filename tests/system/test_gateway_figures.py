"""The figures that the gateway to model servers promises, as far as a busy machine can hold them:
the best of some tries, or CPU time. bench/gateway and bench/gateway_clients measure them."""

import pytest

from daemon import is_sanitized
from gateway_figures import Gateway, at_once, end_of_crowd_us, first_token_us, one_call_us, provider
from model_stub import NEVER, ModelStub

plain = pytest.mark.skipif(is_sanitized(), reason="a sanitizer takes the time and the memory")


def with_stub(new_daemon, stub):
    return new_daemon(databases=[], config={"inference": {"providers": [provider(stub)]}})


@plain
def test_a_thousand_at_once_in_a_second_and_a_little_cpu():
    # What comes on top of the second that the server takes; CPU time, too, grows where others take the caches.
    worker_s = []
    while len(worker_s) < 3 and min(worker_s, default=1) > 0.3:
        figures = at_once(1000)
        worker_s.append(figures["worker_s"])
        assert figures["mib"] <= 64 and figures["most"] == 1000
    assert min(worker_s) <= 0.3


@plain
def test_little_is_added_to_a_call():
    with ModelStub() as stub, Gateway(stub) as gateway:
        rounds = [one_call_us(gateway, stub, 30, number * 30) for number in range(10)]
    assert min(through - alone for alone, through in rounds) <= 100


def test_the_first_token_is_passed_on_at_once(new_daemon):
    with ModelStub(1, 1) as stub:
        assert min(first_token_us(with_stub(new_daemon, stub), 30)) <= 1000


def test_a_crowd_is_one_call_and_its_leaving_ends_it(new_daemon):
    with ModelStub(NEVER) as stub:
        daemon = with_stub(new_daemon, stub)
        ends = [end_of_crowd_us(daemon, stub, 100, f"question {number}") for number in range(3)]
        assert min(ends) <= 50_000
        assert stub.close() == 1
