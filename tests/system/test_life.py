"""optimaxd starts, says so, refuses what it must, and stops."""

import os
import signal
import socket
import subprocess

import pytest

import process
from client import Client
from daemon import program


def optimaxd(daemon, *words):
    return process.run([program("optimaxd"), *words], env=daemon.env())


def test_ready_means_that_it_serves(new_daemon):
    daemon = new_daemon()
    pong = daemon.call("ping")
    assert (pong["protocol"], pong["instance"]) == (1, daemon.instance)
    assert daemon.stop() == 0
    said = [line for line in daemon.read_notifications() if line in ("READY=1", "STOPPING=1")]
    assert said == ["READY=1", "STOPPING=1"]


def test_everything_unprivileged_and_gone_after_stop(daemon):
    pids = [daemon.process.pid, *(child["pid"] for child in daemon.children() if child["pid"] > 0)]
    assert len(pids) >= 5
    for pid in pids:
        with open(f"/proc/{pid}/status") as status:
            assert "\nUid:\t0\t" not in status.read()
    assert daemon.stop() == 0
    process.wait_until(lambda: not any(process.is_alive(pid) for pid in pids))


@pytest.mark.skipif(os.geteuid() != 0, reason="to be refused as root one must be root")
def test_root_is_refused(new_daemon):
    daemon = new_daemon(start=False)
    done = subprocess.run([program("optimaxd"), "--config", daemon.config_file], env=daemon.env(),
                          stderr=subprocess.PIPE, text=True, timeout=30)
    assert done.returncode == 1
    assert "optimaxd.service" in done.stderr and "runuser" in done.stderr


def test_a_second_one_of_the_instance_is_refused(daemon):
    done = optimaxd(daemon, "--config", daemon.config_file)
    assert done.returncode == 3, done.stderr
    assert daemon.instance in done.stderr or str(daemon.socket) in done.stderr
    assert daemon.call("ping")["instance"] == daemon.instance


def test_a_dead_socket_file_is_replaced(new_daemon):
    daemon = new_daemon(start=False)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(daemon.socket))
    process.own(daemon.socket)
    daemon.start()
    assert daemon.call("ping")


def test_check_names_file_line_and_key(new_daemon):
    daemon = new_daemon(start=False)
    assert optimaxd(daemon, "--config", daemon.config_file, "--check").stdout == f"{daemon.config_file}: ok\n"
    daemon.write_config("instance: main\ncache:\n  size: 3MiB\nnonsense: 1\n")
    done = optimaxd(daemon, "--config", daemon.config_file, "--check")
    assert done.returncode == 1
    assert f"{daemon.config_file}:3: cache.size" in done.stderr
    assert f"{daemon.config_file}:4: nonsense" in done.stderr
    started = optimaxd(daemon, "--config", daemon.config_file)
    assert started.returncode == 1 and f"{daemon.config_file}:3: cache.size" in started.stderr


def test_usage(new_daemon):
    daemon = new_daemon(start=False)
    assert optimaxd(daemon, "--nonsense").returncode == 2


def test_a_bad_reload_changes_nothing(daemon):
    good = daemon.config_file.read_text()
    daemon.write_config(good.replace("size: 16MiB", "size: lots"))
    error = daemon.error("reload", control=True)
    assert error.code == "bad_request" and "cache.size" in error.message, error.error
    assert daemon.sql("SELECT 1 AS one")["rows"] == [[1]]


def test_reload_by_signal_keeps_connections(daemon, shop):
    with daemon.client() as client:
        client.call("ping")
        daemon.configure({"databases": [{**shop, "limits": {"rows": 3}}]})
        daemon.process.send_signal(signal.SIGHUP)

        def clipped():
            """the new limit of rows"""
            return client.sql("SELECT id FROM customers ORDER BY id")["row_count"] == 3

        process.wait_until(clipped)


def test_a_database_that_is_down_at_start(cluster, new_daemon):
    cluster.stop()
    daemon = new_daemon()
    status = daemon.wait_state("degraded", database="shop", database_state="down")
    assert status["state"] == "degraded"
    error = daemon.error("sql", {"sql": "SELECT 1"})
    assert (error.code, error.retryable) == ("database_unavailable", True)
    cluster.start()
    daemon.wait_state("ready", timeout=60)
    assert daemon.sql("SELECT count(*) FROM customers")["rows"] == [[4000]]


def test_a_database_that_goes_and_comes(cluster, daemon):
    assert daemon.sql("SELECT count(*) FROM orders")["rows"] == [[14992]]
    cluster.restart(signal.SIGQUIT)
    process.wait_until(lambda: attempt(daemon, "SELECT count(*) FROM reviews") == [[4552]], 60)


def attempt(daemon, sql):
    try:
        with Client(daemon.socket, 60.0) as client:
            error, result = client.wait_reply(client.send("sql", {"sql": sql}))
    except (OSError, EOFError):
        return None
    return None if error else result["rows"]


@pytest.mark.parametrize("user, power", [
    ("postgres", "superuser"), ("shop_owner", "own"), ("writer", "INSERT")])
def test_a_role_with_too_much_power_is_refused(cluster, new_daemon, user, power):
    if user == "writer":
        cluster.psql("DROP ROLE IF EXISTS writer; CREATE ROLE writer LOGIN IN ROLE optimax_ro", database="postgres")
        cluster.psql("GRANT INSERT ON orders TO writer")
    try:
        daemon = new_daemon(databases=[{"name": "shop", "dsn": cluster.dsn(user=user)}])
        status = daemon.wait_state(database="shop", database_state="refused")
        reason = status["databases"][0]["reason"]
        assert power.lower() in reason.lower(), reason
        error = daemon.error("sql", {"sql": "SELECT 1"})
        assert (error.code, error.retryable) == ("database_unavailable", False), error.error
    finally:
        if user == "writer":
            cluster.psql("REVOKE INSERT ON orders FROM writer; DROP ROLE writer")


def test_shared_memory_that_is_too_small(new_daemon):
    room = os.statvfs("/dev/shm")
    total_gib = (room.f_blocks * room.f_frsize >> 30) + 1
    if total_gib > 64:
        pytest.skip(f"/dev/shm has {total_gib - 1} GiB, more than cache.size may be")
    daemon = new_daemon(config={"cache": {"size": f"{total_gib}GiB"}}, start=False)
    daemon.start(wait=False)
    assert daemon.process.wait(30) == 1
    assert "cache.size" in daemon.log() and "/dev/shm" in daemon.log()
    # The metrics, which fitted, stay for the next start; of the cache nothing may.
    assert [path.name for path in daemon.segments()] in ([], [f"optimax-{daemon.instance}-metrics"])
