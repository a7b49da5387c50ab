"""kill -9 of each kind of process under load: everybody goes on, and nothing is lost."""

import threading

import pytest

import process
from client import Client, RpcError

QUESTION = "SELECT country, count(*) FROM customers GROUP BY country ORDER BY country"
ROUNDS = 3
# What a client may be told while a process is replaced; it is told something.
PASSING = {"database_unavailable", "overloaded", "shutting_down"}


class Load:
    """Clients that ask without pause, some of it cached and some of it new."""

    def __init__(self, daemon, clients=4):
        self.daemon = daemon
        self.stopping = threading.Event()
        self.sent = self.answered = self.lost = 0
        self.turns = [0] * clients  # how far each client is
        self.strange = []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.ask, args=(n,)) for n in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive(), "a client waits for ever"

    def count(self, **changes):
        with self.lock:
            for name, value in changes.items():
                setattr(self, name, getattr(self, name) + value)

    def ask(self, number):
        turn = 0
        client = None
        while not self.stopping.is_set():
            turn += 1
            self.turns[number] = turn
            sql = QUESTION if turn % 3 else f"SELECT {number} AS client, {turn} AS turn"
            try:
                if client is None:
                    client = Client(self.daemon.socket, 30.0)
                self.count(sent=1)
                rows = client.sql(sql)["rows"]
                self.count(answered=1)
                if turn % 3 == 0 and rows != [[number, turn]]:
                    self.strange.append((sql, rows))
            except RpcError as error:
                self.count(answered=1)
                if error.code not in PASSING:
                    self.strange.append((sql, error.error))
            except (OSError, EOFError) as error:
                if isinstance(error, TimeoutError):
                    self.strange.append((sql, "no reply"))
                self.count(lost=1)
                if client:
                    client.close()
                client = None
        if client:
            client.close()


def served_all(load, more=8):
    """Waits until each client was served some more. So a request that one kill has hit is over
    before the next: one that ends two workers is refused, and rightly."""
    aim = [turn + more for turn in load.turns]

    def served():
        """replies to every client of the load"""
        return all(turn >= wanted for turn, wanted in zip(load.turns, aim))

    process.wait_until(served, 60)


def counters(daemon):
    """All that stats counts up, by its place; not what is there now."""
    stats = daemon.stats()
    found = {"total_requests": stats["total_requests"], "repairs": stats["cache_stats"]["repairs"]}
    for way in ("heuristic_routing", "model_routing", "sql_repairs"):
        found.update({(way, name): value for name, value in stats[way].items() if name != "percentage"})
    for group in ("route", "chat", "sql", "llm"):
        found.update({(group, name): value for name, value in stats["cache_stats"][group].items()
                      if name not in ("entries", "bytes")})
    return found


def assert_none_went_back(daemon, before):
    now = counters(daemon)
    assert not {name: (value, now[name]) for name, value in before.items() if now[name] < value}
    return now


@pytest.mark.parametrize("role", ["router", "database", "watcher", "inference"])
def test_each_role_is_replaced(daemon, role):
    first = daemon.sql(QUESTION)
    with Load(daemon) as load:
        for _ in range(ROUNDS):
            served_all(load)
            before = counters(daemon)
            killed = daemon.kill(role)
            daemon.wait_replaced(role, killed)
            assert_none_went_back(daemon, before)
        served_all(load)
    assert load.strange == []
    if role != "router":
        assert load.lost == 0  # only the router's death closes connections
    again = daemon.sql(QUESTION)
    assert again["rows"] == first["rows"] and again["cached"]
    # Accepted: all that were answered, and what was in flight when the router died. Ours too: two.
    total = daemon.stats()["total_requests"]
    assert load.answered + 2 <= total <= load.sent + 2


def test_the_supervisor_is_started_again(daemon):
    first = daemon.sql(QUESTION)
    before = counters(daemon)
    assert before["sql", "misses"] > 0
    daemon.kill_supervisor()
    daemon.start()
    daemon.wait_serving()
    again = daemon.sql(QUESTION)
    assert again["rows"] == first["rows"] and again["cached"]
    now = assert_none_went_back(daemon, before)
    assert now["total_requests"] == before["total_requests"] + 1
    assert now["sql", "hits"] == before["sql", "hits"] + 1


def test_connections_queue_while_the_router_is_replaced(daemon):
    for _ in range(ROUNDS):
        killed = daemon.kill("router")
        with Client(daemon.socket, 30.0) as client:  # never refused: the supervisor listens
            assert client.call("ping")["protocol"] == 1
        daemon.wait_replaced("router", killed)
