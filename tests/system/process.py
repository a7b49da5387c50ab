"""How the tests start programs: never as root, and never outliving the tests."""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
POLL_S = 0.01
_libc = ctypes.CDLL(None, use_errno=True)


def is_root():
    return os.geteuid() == 0


def identity():
    """Popen's arguments that make the program run unprivileged."""
    if not is_root():
        return {}
    user = pwd.getpwnam("nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def own(path):
    """Gives a file or folder to the user that the programs run as."""
    if is_root():
        user = pwd.getpwnam("nobody")
        os.chown(path, user.pw_uid, user.pw_gid)


def new_scratch(name):
    """A folder short enough for socket paths that every process of the tests can enter."""
    path = Path(tempfile.mkdtemp(prefix=f"ox-{name}-", dir="/tmp"))
    path.chmod(0o755)
    own(path)
    return path


def remove_scratch(path):
    shutil.rmtree(path, ignore_errors=True)


def start(argv, death_signal=signal.SIGTERM, **options):
    """Popen, unprivileged; the program gets death_signal when the tests die."""
    parent = os.getpid()

    def die_with_parent():
        # After Popen's setuid, which would have cleared it.
        _libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(127)

    return subprocess.Popen([str(word) for word in argv], preexec_fn=die_with_parent,
                            start_new_session=True, **identity(), **options)


def run(argv, timeout=60, **options):
    """subprocess.run, unprivileged, output captured as text."""
    options.setdefault("cwd", "/")
    return subprocess.run([str(word) for word in argv], timeout=timeout, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **identity(), **options)


def wait_until(what, timeout=15.0):
    """Polls what() until it gives something true, which is returned."""
    deadline = time.monotonic() + timeout
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {getattr(what, '__doc__', None) or what}")
        time.sleep(POLL_S)


def is_alive(pid):
    """Whether the process is there and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def cpu_s(pid):
    """The CPU time that a process has used: the clock of clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)


def waited_s(pid):
    """How long a process could have run and had no CPU, because others had them."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
