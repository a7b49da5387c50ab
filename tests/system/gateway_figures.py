"""Figures of the gateway to model servers, for the tests and for bench/: of one inference worker
alone, which is asked as the router asks it, and of what clients get through a whole daemon."""

import os
import statistics
import subprocess
import time
from pathlib import Path

import process
from build_tree import BUILD
from model_stub import ModelStub, now_us
from worker_driver import BEGIN, Worker

PROVIDER = {"name": "local", "type": "ollama", "model": "m", "timeout_ms": 60000, "connect_timeout_ms": 5000,
            "first_token_ms": 60000, "keep_alive_ms": 600000, "max_tokens": 1024, "max_prompt": 65536}


class Gateway:
    """One inference worker without a daemon around it, and with segments of its own."""

    def __init__(self, stub, **provider):
        self.instance = f"test-{os.getpid()}-g"
        self.scratch = process.new_scratch("g")
        done = process.run([BUILD / "optimax-check", "--instance", self.instance, "--size", str(16 << 20),
                            "--max-value", str(1 << 20)])
        assert done.returncode == 0, done.stderr
        self.worker = Worker("optimax-inference", self.instance, self.scratch)
        try:
            self._configure({**PROVIDER, "url": stub.url})
        except EOFError as ended:
            log = self.worker.log()
            self.close(stop=False)
            raise AssertionError(log) from ended
        self.pid = self.worker.process.pid

    def _configure(self, provider):
        self.worker.control.notify("config_begin", {**BEGIN, "instance": self.instance})
        self.worker.control.notify("config_provider", provider)
        self.worker.control.notify("config_end")
        self.worker.attach()
        self.worker.work.notification("provider_state")

    def send(self, number, permit=True):
        """With a permit, as the router sends it while nobody waits for one."""
        return self.worker.work.request("generate", {"job": "chat", "question": f"what is checkpoint {number}?",
                                                     "timeout_ms": 60000, **({"permit": "local"} if permit else {})})

    def give_permit(self):
        """The worker asks for one."""
        _, msgid, _, _ = self.worker.work.wait(lambda message: message[0] == 0 and message[2] == "permit")
        self.worker.work.send([1, msgid, None, {}])

    def wait(self, msgid):
        return self.worker.work.response(msgid)

    def resident_mib(self):
        """The most so far. The cache segment is mapped by everybody and is nobody's."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        kib = {line.split(":")[0]: int(line.split()[1]) for line in status.splitlines()
               if line.startswith(("VmHWM", "RssShmem"))}
        return (kib["VmHWM"] - kib["RssShmem"]) / 1024

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self, stop=True):
        try:
            if stop:
                self.worker.close()
        finally:
            process.remove_scratch(self.scratch)
            for name in (f"optimax-{self.instance}", f"optimax-{self.instance}-metrics"):
                Path("/dev/shm", name).unlink(missing_ok=True)


def one_call_us(gateway, stub, calls, first=0):
    """Medians of one call after the other: by libcurl alone, and as the worker says of itself."""
    done = subprocess.run([str(BUILD / "bench/curl_floor"), str(stub.port), str(calls)], capture_output=True,
                          text=True, check=True)
    through = [gateway.wait(gateway.send(first + number))["generate_us"] for number in range(calls)]
    return float(done.stdout), statistics.median(through)


def with_asking_us(gateway, calls, first):
    """The same through the worker, where it has to ask for a permit first: of a router in Python."""
    took = []
    for number in range(calls):
        msgid = gateway.send(first + number, permit=False)
        gateway.give_permit()
        took.append(gateway.wait(msgid)["generate_us"])
    return statistics.median(took)


def at_once(count):
    """Calls that take 1 s each: {"s", "mib", "most" at once, "worker_s", "server_s" and "own_s" of CPU,
    and "waited_s", which the three stood in line for a CPU}."""
    with ModelStub(1000) as stub, Gateway(stub) as gateway:
        pids = {"worker_s": gateway.pid, "server_s": stub.process.pid, "own_s": os.getpid()}
        before = {name: process.cpu_s(pid) for name, pid in pids.items()}
        waited = sum(process.waited_s(pid) for pid in pids.values())
        began = time.monotonic()
        for msgid in [gateway.send(number) for number in range(count)]:
            gateway.wait(msgid)
        figures = {"s": time.monotonic() - began, "mib": gateway.resident_mib()}
        figures |= {name: process.cpu_s(pid) - before[name] for name, pid in pids.items()}
        figures["waited_s"] = sum(process.waited_s(pid) for pid in pids.values()) - waited
        return {**figures, "most": stub.close()}


# ---- through a whole daemon

def provider(stub, **settings):
    return {"name": "stub", "type": "ollama", "url": stub.url, "model": "m", **settings}


def through_permits(daemon, stub, count):
    """So many calls through the whole daemon: seconds, and at once at most."""
    client = daemon.client()
    began = time.monotonic()
    for msgid in [client.send("ask", {"question": f"what is snapshot {number}?", "route": "chat"}) for number in range(count)]:
        client.wait(msgid)
    return time.monotonic() - began, stub.close()


def first_token_us(daemon, count):
    """From the server's write of a first token to a streaming client's read of it, one by one."""
    client = daemon.client()
    took = []
    for number in range(count):
        client.send("ask", {"question": f"tell me of {number}", "route": "chat", "stream": True})
        message = client.receive()
        read_us = now_us()
        assert message[:2] == [2, "delta"], message
        took.append(read_us - int(message[2][2]["text"]))
        assert client.receive()[0] == 1
    return took


def end_of_crowd_us(daemon, stub, count, question):
    """Many clients ask the same at once, and leave. From the first one's close to the call's end."""
    clients = [daemon.client() for _ in range(count)]
    for client in clients:
        client.send("ask", {"question": question, "route": "chat"})

    def waiting():
        """that all have been read"""
        return [one for one in daemon.stats()["workers"] if one["role"] == "router"][0]["in_flight"] >= count

    process.wait_until(waiting)
    stub.wait_for("asked")
    began_us = now_us()
    for client in clients:
        client.close()
        daemon.clients.remove(client)
    return stub.wait_for("left") - began_us
