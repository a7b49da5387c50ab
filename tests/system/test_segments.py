"""The segments in /dev/shm from outside: what a start finds there, and what is said of it."""

import os
import random

import pytest

import process

QUESTION = "SELECT count(*) FROM orders"
ANOTHER_BOOT = ('mount --bind "$1" /proc/sys/kernel/random/boot_id && shift && '
                'exec unshare -U --map-user=1000 "$@"')


def make_fifo(path):
    path.unlink()
    os.mkfifo(path, 0o600)
    process.own(path)


def make_link(path):
    path.unlink()
    path.symlink_to("/etc/hostname")


def make_noise(path):
    path.write_bytes(random.Random(7).randbytes(path.stat().st_size))


def resize(share):
    return lambda path: os.truncate(path, int(path.stat().st_size * share))


BAD = [
    ("cut short", resize(0.5), "its size was "),
    ("longer", resize(2), "its size was "),
    ("empty", resize(0), "its size was 0"),
    ("open to all", lambda path: path.chmod(0o666), "its mode was 0666"),
    ("noise", make_noise, "it"),
    ("a FIFO", make_fifo, "what had its name was no file"),
    ("a link", make_link, "what had its name was no file"),
    ("removed", os.unlink, "there was none"),
]


def said_since(daemon, before):
    """The lines of the log, since it had that length, of how a start found the segments."""
    return [line for line in daemon.log()[before:].splitlines() if "started clean" in line or "went on" in line]


@pytest.mark.parametrize("about, suffix", [("cache", ""), ("metrics", "-metrics")])
def test_a_bad_segment_is_made_again_with_one_line(daemon, about, suffix):
    path = daemon.segment(suffix)
    for name, change, reason in BAD:
        daemon.sql(QUESTION)
        daemon.stop()
        before = len(daemon.log())
        change(path)
        daemon.start()
        daemon.wait_serving()
        said = [line for line in said_since(daemon, before) if f"{about}: started clean" in line]
        assert len(said) == 1 and reason in said[0], (name, said)
        assert path.stat().st_size > 1 << 20 and not path.is_symlink()
        # Of the other segment all is still there.
        assert daemon.sql(QUESTION)["cached"] == (about == "metrics"), name
        assert (daemon.stats()["total_requests"] == 1) == (about == "metrics"), name


@pytest.mark.parametrize("suffix", ["", "-metrics"])
def test_a_folder_in_its_place_is_refused(new_daemon, suffix):
    daemon = new_daemon(start=False)
    path = daemon.segment(suffix)
    path.mkdir()
    process.own(path)
    try:
        daemon.start(wait=False)
        assert daemon.process.wait(30) == 1
        assert f"{path}: cannot open: Is a directory; remove it" in daemon.log()
    finally:
        path.rmdir()


def test_another_size_starts_clean_and_the_same_goes_on(daemon):
    assert daemon.sql(QUESTION)["rows"] == daemon.sql(QUESTION)["rows"]
    for change, kept in [({}, True), ({"size": "17MiB"}, False), ({}, True), ({"max_value": "512KiB"}, False)]:
        daemon.stop()
        daemon.configure({"cache": change})
        before = len(daemon.log())
        daemon.start()
        daemon.wait_serving()
        said = [line for line in said_since(daemon, before) if "cache: " in line]
        assert len(said) == 1 and ("went on with 1 entry" if kept else "started clean: ") in said[0], said
        assert daemon.sql(QUESTION)["cached"] == kept
        sizes = {path.name.endswith("-metrics"): path.stat().st_size for path in daemon.segments()}
        assert sizes[False] == (17 << 20 if daemon.config["cache"]["size"] == "17MiB" else 16 << 20)


def test_another_boot_starts_clean(daemon):
    """The daemon is stopped, and started where the kernel says that it was started again."""
    if process.run(["unshare", "-rm", "unshare", "-U", "--map-user=1000", "true"]).returncode:
        pytest.skip("no user namespaces here")
    boot_id = daemon.scratch / "boot_id"
    boot_id.write_text("01234567-89ab-cdef-0123-456789abcdef\n")
    boot_id.chmod(0o644)
    daemon.sql(QUESTION)
    requests = daemon.stats()["total_requests"]
    daemon.stop()
    before = len(daemon.log())
    daemon.start(wrapper=["unshare", "-rm", "bash", "-c", ANOTHER_BOOT, "-", boot_id])
    assert any("cache: started clean: the machine was restarted" in line for line in said_since(daemon, before))
    daemon.wait_serving()
    assert not daemon.sql(QUESTION)["cached"]
    assert daemon.stats()["total_requests"] == requests + 1


def test_expired_entries_go_without_a_look(daemon):
    for number in range(60):
        daemon.sql(f"SELECT {number} + count(*) FROM orders")
    stored = daemon.stats()["cache_stats"]["sql"]["entries"]
    assert stored > 50  # on a busy machine a put may be dropped
    daemon.advance(40)  # more than cache.ttl.sql_polled
    for number in range(1000, 1060):
        daemon.sql(f"SELECT {number} + count(*) FROM orders")
    sql = daemon.stats()["cache_stats"]["sql"]
    assert sql["expired"] == stored and sql["entries"] <= 60, sql
