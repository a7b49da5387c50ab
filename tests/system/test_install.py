"""make install, with and without DESTDIR: the tree runs where it lies."""

import subprocess

import pytest

import daemon as daemon_module
import process
from build_tree import BUILD

MAKE = ["make", "-s", "-C", str(BUILD), "install"]


def install(folder, *words):
    done = subprocess.run([*MAKE, *words], capture_output=True, text=True, timeout=300)
    if "Permission denied" in done.stderr and "libtool" in done.stderr:
        pytest.skip("the build folder can't be written, which libtool needs")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("with_destdir", [True, False])
def test_the_installed_tree_runs(new_daemon, shop, monkeypatch, with_destdir):
    daemon = new_daemon(start=False)
    root = process.new_scratch("i")
    try:
        root.chmod(0o777)
        if with_destdir:
            install(root, f"DESTDIR={root}", "prefix=/usr", "sysconfdir=/etc", "systemunitdir=/usr/lib/systemd/system")
            prefix, etc = root / "usr", root / "etc"
        else:
            install(root, f"prefix={root}", f"sysconfdir={root}/etc", f"systemunitdir={root}/lib/systemd/system")
            prefix, etc = root, root / "etc"
        for name in ("sbin/optimaxd", "bin/optimaxctl", "libexec/optimax/optimax-router",
                     "libexec/optimax/optimax-database", "libexec/optimax/optimax-inference",
                     "libexec/optimax/optimax-watcher", "libexec/optimax/optimax-check",
                     "lib/systemd/system/optimaxd.service", "share/man/man8/optimaxd.8",
                     "include/optimax.h", "lib/pkgconfig/optimax.pc"):
            assert (prefix / name).exists(), name
        assert (etc / "optimax" / "optimax.yaml").exists()
        monkeypatch.setattr(daemon_module, "program", lambda name: prefix / ("sbin" if name == "optimaxd" else "bin") / name)
        daemon.environment["OPTIMAX_LIBEXEC"] = ""
        daemon.start()
        daemon.wait_state("ready")
        done = daemon.ctl("--json", "sql", "SELECT 1 AS one")
        assert done.returncode == 0 and '"rows"' in done.stdout
        daemon.stop()
        (etc / "optimax" / "optimax.yaml").write_text("instance: mine\n")
        if with_destdir:
            install(root, f"DESTDIR={root}", "prefix=/usr", "sysconfdir=/etc", "systemunitdir=/usr/lib/systemd/system")
            assert (etc / "optimax" / "optimax.yaml").read_text() == "instance: mine\n"
    finally:
        process.remove_scratch(root)
