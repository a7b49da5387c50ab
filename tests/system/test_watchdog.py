"""A process that hangs is replaced, as one that died is."""

import os
import signal

import process

INTERVAL_S = 2


def test_who_does_not_answer_is_replaced(new_daemon, shop):
    daemon = new_daemon(databases=[{**shop, "workers": 1}], environment={"WATCHDOG_USEC": str(INTERVAL_S * 1_000_000)})
    daemon.wait_serving()
    hung = {role: daemon.pids(role)[0] for role in ("inference", "database", "watcher", "router")}
    for pid in hung.values():
        os.kill(pid, signal.SIGSTOP)
    for role, pid in hung.items():
        daemon.wait_replaced(role, pid)
    daemon.wait_serving()
    assert daemon.sql("SELECT 1 AS one")["rows"] == [[1]]
    deaths = {child["role"]: child.get("last_death", "") for child in daemon.status()["children"]}
    assert all("signal 9" in deaths[role] or "SIGKILL" in deaths[role].upper() or "kill" in deaths[role] for role in hung), deaths
    assert daemon.log().count(f"it has not answered for {INTERVAL_S * 1000} ms; killing it") >= len(hung)


def test_systemd_hears_of_it(new_daemon, shop):
    daemon = new_daemon(databases=[shop], environment={"WATCHDOG_USEC": "2000000"})
    daemon.wait_serving()

    def heard():
        """WATCHDOG=1 three times"""
        return len([one for one in daemon.read_notifications() if "WATCHDOG=1" in one]) >= 3
    process.wait_until(heard)
    assert all(child["restarts"] == 0 for child in daemon.status()["children"])
