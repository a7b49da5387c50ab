"""stream: true. Rows come as PostgreSQL gives them, nobody keeps them, and a slow reader slows all."""

import json
import signal
import time

import pytest

import daemon as daemon_module
import process
from client import RpcError

MILLION = 1_000_000
# Wide enough that a million rows are more than any buffer on the way.
SERIES = "SELECT n, repeat('x', 40) AS filler FROM generate_series(1, {}) n"
LIMITS = {"rows": MILLION, "time": "60s", "plan_cost": 100_000_000}
AT_WORK = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%filler%' AND pid <> pg_backend_pid()"


class Stream:
    """One streamed request: its parts as they come."""

    def __init__(self, client, sql, **params):
        self.client = client
        self.msgid = client.send("sql", {"sql": sql, "stream": True, **params})
        self.columns = None
        self.count = self.batches = 0
        self.last = None
        self.reply = None

    def read(self, until=None):
        """Goes on to the response, or until so many rows are there."""
        while self.reply is None and (until is None or self.count < until):
            message = self.client.receive()
            if message[0] == 1:
                assert message[1] == self.msgid
                if message[2] is not None:
                    raise RpcError(message[2])
                self.reply = message[3]
                break
            _, method, (msgid, seq, part) = message
            assert (method, msgid) == ("delta", self.msgid)
            if self.columns is None:
                assert seq == 0 and list(part) == ["columns"]
                self.columns = part["columns"]
                continue
            assert seq == self.batches + 1 and list(part) == ["rows"] and part["rows"]
            self.batches += 1
            self.count += len(part["rows"])
            self.last = part["rows"][-1]
        return self


@pytest.fixture
def streaming(new_daemon, shop):
    def factory(workers=1, config=None, **limits):
        daemon = new_daemon(config, databases=[{**shop, "workers": workers, "limits": {**LIMITS, **limits}}])
        daemon.wait_serving()
        return daemon
    return factory


def memory(pid, what):
    """Bytes, from /proc: VmRSS, VmHWM, RssAnon."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(what + ":"))


def at_work(cluster):
    return int(cluster.psql(AT_WORK)[0][0])


def test_a_million_rows_through_a_worker_of_64_mib(new_daemon, shop):
    daemon = new_daemon(databases=[{**shop, "workers": 1, "limits": LIMITS}], start=False)
    # Every process gets 64 MiB of addresses, and the 16 MiB of the cache.
    daemon.start(wrapper=[] if daemon_module.is_sanitized() else ["prlimit", f"--as={80 << 20}"])
    daemon.wait_serving()
    worker, = daemon.pids("database")
    router, = daemon.pids("router")
    before = memory(router, "RssAnon")
    stream = Stream(daemon.client(), SERIES.format(MILLION)).read()
    assert stream.count == MILLION and stream.last == [MILLION, "x" * 40]
    assert stream.columns == [{"name": "n", "type": "integer"}, {"name": "filler", "type": "text"}]
    assert stream.reply["rows"] == [] and stream.reply["row_count"] == MILLION
    assert stream.reply["truncated"] is False and stream.reply["columns"] == stream.columns
    assert stream.batches > 100
    if not daemon_module.is_sanitized():
        assert memory(router, "RssAnon") - before < 8 << 20
    assert daemon.pids("database") == [worker]


def test_the_first_rows_come_before_the_last_are_made(streaming, cluster):
    daemon = streaming()
    stream = Stream(daemon.client(), SERIES.format(MILLION)).read(until=1)
    assert stream.reply is None and 0 < stream.count < MILLION // 10
    assert at_work(cluster) == 1
    stream.read()
    assert stream.count == MILLION


def test_who_reads_slowly_makes_everybody_wait_and_nothing_grows(streaming, cluster):
    daemon = streaming(time="2s")  # of the statement, not of its reader
    worker, = daemon.pids("database")
    router, = daemon.pids("router")
    client = daemon.client()
    stream = Stream(client, SERIES.format(MILLION)).read(until=1)

    def settled():
        """nothing moves any more"""
        rows = memory(worker, "RssAnon"), memory(router, "RssAnon"), cpu(worker), cpu(router)
        same, settled.rows = settled.rows == rows, rows
        settled.times = settled.times + 1 if same else 0
        time.sleep(0.2)  # the shortest time in which there would be something to see
        return settled.times >= 5

    settled.rows, settled.times = None, 0
    process.wait_until(settled)
    if not daemon_module.is_sanitized():
        assert memory(worker, "RssAnon") < 16 << 20
        assert memory(router, "RssAnon") < 16 << 20
    assert at_work(cluster) == 1  # PostgreSQL waits too
    # Others are served meanwhile, by whoever is free; the stream goes on where it stood.
    assert daemon.call("ping")["protocol"] == 1
    deadline = time.monotonic() + 2.5

    def later():
        """the statement's own time has passed, but for its waiting"""
        return time.monotonic() > deadline

    process.wait_until(later)
    # More than all buffers on the way can hold.
    assert stream.read(until=100_000).reply is None


def cpu(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


@pytest.mark.parametrize("how", ["cancel", "disconnect", "deadline"])
def test_who_does_not_wait_any_more_stops_postgresql(streaming, cluster, how):
    daemon = streaming()
    client = daemon.client()
    stream = Stream(client, SERIES.format(MILLION), timeout_ms=1500 if how == "deadline" else 60000).read(until=1)
    if how == "disconnect":
        client.close()
    elif how == "cancel":
        client.cancel(stream.msgid)
        with pytest.raises(RpcError, match="cancelled"):
            stream.read()
    process.wait_until(lambda: at_work(cluster) == 0)
    if how == "deadline":
        with pytest.raises(RpcError, match="timeout"):
            stream.read()
    assert daemon.sql("SELECT count(*) FROM customers")["row_count"] == 1
    assert daemon.stats()["workers"]


def test_limits_hold_for_streams_too(streaming):
    daemon = streaming(rows=500, bytes="1KiB")
    client = daemon.client()
    stream = Stream(client, SERIES.format(1000)).read()
    assert stream.count == stream.reply["row_count"] == 500 and stream.reply["truncated"]
    stream = Stream(client, SERIES.format(1000), limit=7).read()
    assert stream.count == 7 and stream.reply["truncated"]
    stream = Stream(client, SERIES.format(7), limit=7).read()
    assert stream.count == 7 and not stream.reply["truncated"]
    # One row over limits.bytes is cut.
    stream = Stream(client, "SELECT n, repeat('x', n * 700) FROM generate_series(1, 3) n").read()
    assert stream.count == 1 and stream.reply["truncated"]
    stream = Stream(client, "SELECT id FROM customers WHERE id < 0").read()
    assert stream.count == 0 and [c["name"] for c in stream.columns] == ["id"]


def test_an_error_may_follow_rows(streaming):
    daemon = streaming()
    stream = Stream(daemon.client(), "SELECT n, 1 / (5000 - n) AS filler FROM generate_series(1, 10000) n")
    with pytest.raises(RpcError, match="division by zero"):
        stream.read()
    assert 0 < stream.count < 5000
    with pytest.raises(RpcError, match="sql_rejected"):
        Stream(daemon.client(), "DELETE FROM reviews").read()


def test_a_streamed_result_that_fits_is_cached_and_sent_the_same_way(streaming):
    daemon = streaming(config={"cache": {"max_value": "64KiB"}})
    small = "SELECT id, email FROM customers ORDER BY id LIMIT 20"
    plain = daemon.sql(small, no_cache=True)
    for cached in (True, True):
        stream = Stream(daemon.client(), small).read()
        assert stream.reply["cached"] is cached and stream.count == 20 and stream.last == plain["rows"][-1]
    fresh = "SELECT id, email FROM customers ORDER BY id LIMIT 21"
    assert not Stream(daemon.client(), fresh).read().reply["cached"]
    hit = daemon.sql(fresh)
    assert hit["cached"] and hit["row_count"] == len(hit["rows"]) == 21 and hit["rows"][:20] == plain["rows"]
    large = SERIES.format(5000)
    for _ in range(2):
        stream = Stream(daemon.client(), large, explain=True).read()
        assert stream.count == 5000 and not stream.reply["cached"]
        assert "not_cached" in [reason["signal"] for reason in stream.reply["reasons"]]


def test_a_worker_that_dies_is_replaced_but_the_stream_ends(streaming):
    daemon = streaming()
    stream = Stream(daemon.client(), SERIES.format(MILLION)).read(until=1)
    daemon.kill("database")
    with pytest.raises(RpcError) as caught:
        stream.read()
    assert caught.value.code == "worker_crashed" and caught.value.retryable
    assert Stream(daemon.client(), SERIES.format(3)).read().count == 3


def test_types_of_the_database_own_have_their_names(new_daemon, cluster):
    name = cluster.create_database("CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE t (m mood);"
                                   "INSERT INTO t VALUES ('ok'); GRANT SELECT ON t TO optimax_ro")
    daemon = new_daemon(databases=[{"name": "own", "dsn": cluster.dsn(name)}])
    daemon.wait_serving()
    for _ in range(2):
        stream = Stream(daemon.client(), "SELECT m, 1 AS one FROM t", no_cache=True).read()
        assert [c["type"] for c in stream.columns] == ["mood", "integer"] and stream.last == ["ok", 1]
    daemon.stop()
    cluster.drop_database(name)


def test_many_streams_on_one_connection(streaming):
    """They share what the client takes, and none is mixed with another."""
    daemon = streaming(workers=3)
    client = daemon.client()
    wanted = {client.send("sql", {"sql": SERIES.format(20000 + i), "stream": True}): 20000 + i for i in range(6)}
    rows = dict.fromkeys(wanted, 0)
    left = set(wanted)
    while left:
        message = client.receive()
        if message[0] == 1:
            assert message[2] is None and message[3]["row_count"] == rows[message[1]] == wanted[message[1]]
            left.remove(message[1])
        else:
            rows[message[2][0]] += len(message[2][2].get("rows", ()))


def test_a_daemon_that_stops_ends_a_stream(streaming):
    daemon = streaming()
    stream = Stream(daemon.client(), SERIES.format(MILLION)).read(until=1)
    daemon.process.send_signal(signal.SIGTERM)
    assert stream.read().count == MILLION
    assert daemon.process.wait(timeout=30) == 0


def test_optimaxctl_shows_that_rows_are_missing(shared_daemon):
    sql = "SELECT id FROM customers ORDER BY id"
    done = shared_daemon.ctl("sql", sql, "--limit", "2")
    assert "only the first 2 rows; there are more" in done.stdout
    for more in ([], ["--stream"]):
        done = shared_daemon.ctl("--csv", "sql", sql, "--limit", "2", *more)
        assert done.stdout.splitlines()[0] == "id" and len(done.stdout.splitlines()) == 3
        assert "only the first 2 rows; there are more" in done.stderr
        lines = shared_daemon.ctl("--json", "sql", sql, "--limit", "2", *more).stdout.splitlines()
        assert json.loads(lines[-1])["truncated"] is True
