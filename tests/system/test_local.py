"""Local by construction: no process connects to anything but what is configured."""

import re
import shutil
import subprocess

import pytest

import daemon as daemon_module
import process


def test_connects_only_where_configured(new_daemon, cluster):
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    if daemon_module.is_sanitized():
        pytest.skip("a sanitized build can't be traced")
    daemon = new_daemon(start=False)
    trace = daemon.scratch / "trace"
    trace.mkdir()
    process.own(trace)
    argv = ["strace", "-ff", "-q", "-e", "trace=connect,sendto,sendmsg", "-s", "256", "-o", trace / "t",
            daemon_module.program("optimaxd"), "--config", daemon.config_file]
    with open(daemon.log_file, "ab") as log:
        daemon.process = process.start(argv, cwd="/", env=daemon.env(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    daemon.wait_ready(60)
    daemon.wait_state("ready", timeout=60)
    daemon.ask("How many customers are there?")
    daemon.error("ask", {"question": "hello", "route": "chat"})
    daemon.stop()
    lines = [line for file in trace.iterdir() for line in file.read_text(errors="replace").splitlines()]
    connects = [line for line in lines if line.startswith("connect(")]
    places = {place for line in connects for place in re.findall(r'sun_path=@?"([^"]*)"', line)}
    assert all("AF_UNIX" in line for line in connects), [l for l in connects if "AF_UNIX" not in l]
    allowed = {str(cluster.scratch / ".s.PGSQL.5432"), str(daemon.socket), str(daemon.control),
               str(daemon.scratch / "notify"), "/var/run/nscd/socket", "/run/systemd/userdb/"}
    assert {p for p in places if not any(p.startswith(a) for a in allowed)} == set()
    assert any(p.endswith(".s.PGSQL.5432") for p in places), "the trace saw nothing"
    assert not [line for line in lines if "sin_addr" in line or "sin6_addr" in line]
