"""Local by construction: no process connects to an address that is not configured."""

import re
import shutil

import pytest

from client import RpcError
from daemon import is_sanitized

# What the C library itself asks for a user's name; it is a file of this machine.
NAME_SERVICE = {"/var/run/nscd/socket"}


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace here; script/setup installs it")
@pytest.mark.skipif(is_sanitized(), reason="LeakSanitizer can't run under a tracer")
def test_only_configured_addresses(cluster, new_daemon):
    daemon = new_daemon(start=False)
    # -D: strace is not between us and optimaxd, so that signals and the exit status are its own.
    # -ff: one file per process, so that no call is split in two.
    daemon.start(wrapper=["strace", "-D", "-ff", "-qq", "-e", "trace=socket,connect", "-e", "signal=none",
                          "-o", daemon.scratch / "trace"])
    daemon.wait_state(database="shop")
    assert daemon.sql("SELECT count(*) FROM orders")["rows"] == [[14992]]
    for question in ("How many customers are in Germany?", "Tell me a joke"):
        try:
            daemon.ask(question, timeout_ms=5000)
        except RpcError:
            pass  # whatever it says; it must not have asked the network
    daemon.kill("database")
    assert daemon.sql("SELECT count(*) FROM reviews")["rows"] == [[4552]]
    assert daemon.stop() == 0
    traces = [path.read_text() for path in daemon.scratch.glob("trace.*")]
    connected = [one for text in traces for one in connections(text)]
    assert connected  # else nothing was traced
    assert {family for family, _ in connected} == {"AF_UNIX"}, connected
    # The listening sockets are tried, to see whether somebody serves them already.
    configured = {f"{cluster.scratch}/.s.PGSQL.5432", str(daemon.scratch / "notify"),
                  str(daemon.socket), str(daemon.control)}
    paths = {path for _, path in connected if path}
    assert paths <= configured | NAME_SERVICE, paths


def test_what_counts_as_a_connection():
    text = ('socket(AF_INET6, SOCK_DGRAM, IPPROTO_IP) = 4\n'
            'socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0) = 5\n'
            'connect(5, {sa_family=AF_UNIX, sun_path="/run/x"}, 110) = 0\n'
            'socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 5\n'
            'connect(5, 0x7ffe34baa320, 16) = -1 EINPROGRESS (Operation now in progress)\n')
    assert list(connections(text)) == [("AF_UNIX", "/run/x"), ("AF_INET", None)]


def connections(text):
    """(family, path where it can be read) of every connect() in a trace. The memory of our
    processes is closed to a tracer that is not root, so the family is that of the socket()."""
    families = {}
    for line in text.splitlines():
        if made := re.match(r"socket\((\w+), .* = (\d+)$", line):
            families[made[2]] = made[1]
        elif tried := re.match(r"connect\((\d+), (.*)", line):
            path = re.search(r'sun_path="([^"]*)"', tried[2])
            yield families.get(tried[1], "unknown"), path and path[1]
