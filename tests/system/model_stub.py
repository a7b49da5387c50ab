"""bench/model_stub of the build tree: a model server in C, for figures that one in Python would spoil."""

import select
import subprocess
import time

from build_tree import BUILD

NEVER = -1
WAIT_S = 15


def now_us():
    """The clock that the stub's answers tell."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class ModelStub:
    def __init__(self, delay_ms=0, rest_ms=0):
        self.process = subprocess.Popen([str(BUILD / "bench/model_stub"), str(delay_ms), str(rest_ms)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def wait_for(self, what):
        """When the next request was "asked" that is never answered, or its client "left", in us."""
        readable, _, _ = select.select([self.process.stdout], [], [], WAIT_S)
        assert readable, f"nobody {what}"
        word, at = self.process.stdout.readline().split()
        assert word == what
        return int(at)

    def close(self):
        """The most requests that it had at once."""
        self.process.stdin.close()
        last = self.process.stdout.read().split("\n")[-2]
        self.process.stdout.close()
        self.process.wait()
        return int(last)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.close()
