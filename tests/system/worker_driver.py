"""Plays the supervisor and the router to one worker process, started as nobody."""

import array
import os
import socket

import msgpack

import process
from build_tree import BUILD

ANSWER_S = 15.0

DATABASE = {"name": "shop", "workers": 1, "queue": 16, "schemas": ["public"], "limit_rows": 1000,
            "limit_bytes": 4 << 20, "limit_time_ms": 10000, "limit_plan_cost": 1000000,
            "allow_functions": [], "allow_tables": [], "allow_views": []}
BEGIN = {"index": 0, "log_level": 4, "cache_size": 16 << 20, "max_value": 1 << 20,
         "ttl_route_ms": 0, "ttl_chat_ms": 0, "ttl_sql_ms": 1800000, "ttl_sql_polled_ms": 30000,
         "ttl_llm_ms": 0, "max_clients": 10, "min_confidence": 0.75, "when_unsure": "model", "prompts_version": "0", "repairs": 2,
         "started_ms": 0, "supervisor_pid": 1}


class WorkerError(Exception):
    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.error = error
        self.code = error["code"]


class Channel:
    """Our end of a socketpair; messages and descriptors in order."""

    def __init__(self):
        self.socket, self.other = socket.socketpair()
        self.unpacker = msgpack.Unpacker(raw=False, max_buffer_size=0)
        self.received = []
        self.fds = []
        self.msgid = 0

    def send(self, message, fd=None):
        data = msgpack.packb(message)
        if fd is None:
            self.socket.sendall(data)
        else:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
            sent = self.socket.sendmsg([data], rights)
            self.socket.sendall(data[sent:])

    def notify(self, method, params=None, fd=None):
        self.send([2, method, [] if params is None else [params]], fd)

    def request(self, method, params):
        self.msgid += 1
        self.send([0, self.msgid, method, [params]])
        return self.msgid

    def wait(self, wanted):
        """The first message for which wanted(message) is true; it is taken out."""
        self.socket.settimeout(ANSWER_S)
        while True:
            for message in self.received:
                if wanted(message):
                    self.received.remove(message)
                    return message
            data, rights, _, _ = self.socket.recvmsg(1 << 20, socket.CMSG_SPACE(4 * 16))
            if not data:
                raise EOFError("the worker closed the channel")
            for level, kind, body in rights:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    self.fds += array.array("i", body[:len(body) // 4 * 4])
            self.unpacker.feed(data)
            self.received += list(self.unpacker)

    def notification(self, method):
        return self.wait(lambda message: message[:2] == [2, method])[2][0]

    def response(self, msgid):
        _, _, error, result = self.wait(lambda message: message[:2] == [1, msgid])
        if error is not None:
            raise WorkerError(error)
        return result

    def close(self):
        for fd in self.fds:
            os.close(fd)
        self.socket.close()
        self.other.close()


class Worker:
    def __init__(self, program, instance, scratch, limits="true"):
        self.instance = instance
        self.control = Channel()
        self.work = None
        self.log_path = scratch / f"{program}-{os.urandom(4).hex()}.log"
        fd = self.control.other.fileno()
        with open(self.log_path, "ab") as log:
            # bash, as dash knows one digit only, moves the channel to the descriptor that a child finds it at.
            self.process = process.start(
                ["/bin/bash", "-c", f'{limits}; exec "$0" shop 0 3<&{fd}', BUILD / program],
                pass_fds=[fd], stdout=log, stderr=log, stdin=open(os.devnull), cwd="/")
        self.control.other.close()

    def configure(self, dsn, **database):
        self.control.notify("config_begin", {**BEGIN, "instance": self.instance})
        self.control.notify("config_database", {**DATABASE, "dsn": dsn, **database})
        self.control.notify("config_end")
        return self

    def attach(self):
        """A new channel, as after a restart of the router."""
        if self.work:
            self.work.close()
        self.work = Channel()
        self.control.notify("work_channel", {}, self.work.other.fileno())
        self.work.other.close()
        return self

    def give_schema(self, schema):
        self.version = schema.version
        self.control.notify("snapshot", {"database": "shop", "version": schema.version}, schema.fd)
        return self

    def start(self, sql, limit=1000, timeout_ms=10000, key=b"key", version=None, **more):
        return self.work.request("execute", {
            "sql": sql, "schema_version": version or self.version, "key": key, "limit": limit,
            "timeout_ms": timeout_ms, **more})

    def execute(self, sql, **options):
        result = self.work.response(self.start(sql, **options))
        return {**result, **msgpack.unpackb(result["pairs"])}

    def check(self, sql):
        result = self.work.response(self.work.request("validate", {"sql": sql}))
        return msgpack.unpackb(result["pairs"])

    def log(self):
        return self.log_path.read_text()

    def close(self):
        """Stops it as the supervisor would; a sanitizer's finding fails the test."""
        try:
            self.control.notify("stop")
        except OSError:
            pass
        try:
            status = self.process.wait(timeout=15)
        finally:
            self.process.kill()
            self.process.wait()
            self.control.close()
            if self.work:
                self.work.close()
        assert status == 0, self.log()


class Schema:
    """What a watcher sent: the version and the sealed descriptor."""

    def __init__(self, watcher):
        self.version = watcher.control.notification("snapshot")["version"]
        self.fd = watcher.control.fds.pop(0)

    def text(self):
        return os.pread(self.fd, 16 << 20, 0)
