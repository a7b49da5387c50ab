"""Limits and refusals: each gets a clear error, everybody else is served."""

import random
import signal
import socket

import pytest

import daemon as daemon_module
import process
from client import Client

def test_a_bad_reload_leaves_the_old_configuration(daemon):
    good = daemon.config_file.read_text()
    daemon.write_config(good + "nonsense: 1\n")
    error = daemon.error("reload", control=True)
    assert error.code == "bad_request" and "nonsense" in error.message and str(daemon.config_file) in error.message
    assert daemon.sql("SELECT 1")["rows"] == [[1]]
    daemon.write_config(good)
    daemon.configure({"routing": {"min_confidence": 0.99}})
    assert daemon.call("reload", control=True)["changed"] == ["routing.min_confidence"]
    assert daemon.call("reload", control=True)["changed"] == []


def test_reload_changes_pools_and_drops_no_connection(new_daemon, shop):
    daemon = new_daemon(databases=[{**shop, "workers": 1}])
    daemon.wait_state("ready")
    client = daemon.client()
    client.sql("SELECT 1")
    daemon.configure({"databases": [{**shop, "workers": 3, "limits": {"rows": 2}}]})
    daemon.process.send_signal(signal.SIGHUP)

    def grown():
        """three database workers"""
        return len([c for c in daemon.children("database") if c["state"] == "ready"]) == 3

    process.wait_until(grown)
    assert client.sql("SELECT id FROM orders")["row_count"] == 2
    daemon.configure({"databases": []})
    daemon.call("reload", control=True)
    assert daemon.error("sql", {"sql": "SELECT 1"}).code == "unknown_database"
    process.wait_until(lambda: not daemon.children("database"))


def test_no_database_at_all(new_daemon):
    daemon = new_daemon(databases=[])
    daemon.wait_state("ready")
    assert daemon.error("ask", {"question": "How many orders are there?", "route": "sql"}).code == "unknown_database"
    assert daemon.call("ping")["protocol"] == 1


def test_database_goes_and_comes_back(daemon, cluster):
    daemon.sql("SELECT count(*) FROM orders")
    cluster.stop()
    daemon.wait_state("degraded")
    assert daemon.sql("SELECT count(*) FROM orders")["cached"]
    error = daemon.error("sql", {"sql": "SELECT count(*) FROM products"})
    assert error.code == "database_unavailable" and error.retryable
    cluster.start()
    daemon.wait_state("ready")
    assert daemon.sql("SELECT count(*) FROM products")["row_count"] == 1


@pytest.mark.parametrize("grant, names", [
    ("ALTER ROLE risky SUPERUSER", "superuser"),
    ("GRANT INSERT ON reviews TO risky", "INSERT"),
    ("GRANT CREATE ON SCHEMA public TO risky", "CREATE"),
    ("GRANT pg_read_server_files TO risky", "pg_read_server_files"),
    ("ALTER TABLE reviews OWNER TO risky", "own"),
])
def test_a_role_that_is_too_powerful_is_refused(new_daemon, cluster, database, grant, names):
    cluster.psql("CREATE ROLE risky LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO risky; " + grant, database)
    try:
        daemon = new_daemon(databases=[{"name": "shop", "dsn": cluster.dsn(database, "risky")}])
        daemon.wait_state(database="shop", database_state="refused")
        error = daemon.error("sql", {"sql": "SELECT 1"})
        assert error.code == "database_unavailable" and not error.retryable
        assert names in error.message, error.message
        assert daemon.status()["state"] == "degraded"
        daemon.stop()
    finally:
        cluster.drop_database(database)
        cluster.psql("DROP ROLE risky", "postgres")


def test_garbage_on_the_socket(daemon):
    source = random.Random(7)
    other = daemon.client()
    for size in (1, 3, 10, 100, 5000):
        for _ in range(40):
            with Client(daemon.socket, 20) as client:
                try:
                    client.send_bytes(source.randbytes(size))
                    client.socket.shutdown(socket.SHUT_WR)
                    while client.socket.recv(4096):
                        pass
                except (BrokenPipeError, ConnectionResetError):
                    pass
        assert other.call("ping")["protocol"] == 1
    assert all(c["restarts"] == 0 for c in daemon.children())


def test_half_a_message_then_nothing(daemon):
    clients = [daemon.client() for _ in range(50)]
    for client in clients:
        client.send_bytes(b"\x94\x00\x01\xa3as")
    assert daemon.sql("SELECT 1")["rows"] == [[1]]


def test_max_clients(new_daemon):
    daemon = new_daemon({"listen": {"max_clients": 3}})
    clients = [daemon.client() for _ in range(3)]
    for client in clients:
        client.call("ping")
    refused = daemon.client()
    kind, msgid, error, _ = refused.receive()
    assert (kind, msgid, error["code"]) == (1, None, "overloaded") and error["retry_after_ms"] > 0
    assert daemon.status()["state"]  # the control socket is open to the administrator
    clients[0].close()

    def accepted():
        """one more client"""
        try:
            return daemon.client().call("ping")
        except Exception:
            return None

    process.wait_until(accepted)


def test_full_dev_shm(new_daemon):
    """In a mount namespace of its own, with a /dev/shm of 8 MiB."""
    if process.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/dev/shm"]).returncode:
        pytest.skip("no user namespaces here")
    daemon = new_daemon(start=False)
    script = 'mount -t tmpfs -o size=8m,mode=1777 none /dev/shm && exec unshare -U --map-user=1000 "$@"'
    done = process.run(["unshare", "-rm", "bash", "-c", script, "-", daemon_module.program("optimaxd"),
                        "--config", daemon.config_file], env=daemon.env(), timeout=60)
    assert done.returncode == 1
    assert "/dev/shm" in done.stderr and "cache.size" in done.stderr, done.stderr


def test_socket_modes(daemon):
    assert daemon.socket.stat().st_mode & 0o777 == 0o660
    assert daemon.control.stat().st_mode & 0o777 == 0o600
    for segment in daemon.segments():
        assert segment.stat().st_mode & 0o777 == (0o640 if segment.name.endswith("-metrics") else 0o600)
