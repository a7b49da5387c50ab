"""A client of OptimaX on python3-msgpack alone: nothing of the project's own code is in it."""

import itertools
import socket

import msgpack

REQUEST, RESPONSE, NOTIFICATION = 0, 1, 2


class RpcError(Exception):
    """What the daemon answered in place of a result."""

    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.error = error
        self.code = error["code"]
        self.message = error["message"]
        self.retryable = error["retryable"]
        self.retry_after_ms = error.get("retry_after_ms")
        self.sqlstate = error.get("sqlstate")
        self.detail = error.get("detail")


class Client:
    """One connection. Replies that come early are kept until they are asked for."""

    def __init__(self, path, timeout=30.0):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self.unpacker = msgpack.Unpacker(raw=False, strict_map_key=False,
                                         max_buffer_size=256 << 20)
        self.msgids = itertools.count(1)
        self.replies = {}        # msgid: (error, result)
        self.notifications = []  # (method, params), in the order they came

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send_bytes(self, data):
        self.socket.sendall(data)

    def send(self, method, params=None, msgid=None):
        """Sends a request and returns its msgid; wait() gives the reply."""
        if msgid is None:
            msgid = next(self.msgids)
        self.send_bytes(msgpack.packb([REQUEST, msgid, method, [] if params is None else [params]]))
        return msgid

    def cancel(self, msgid):
        self.send_bytes(msgpack.packb([NOTIFICATION, "cancel", [msgid]]))

    def receive(self):
        """The next message, whatever it is. EOFError where the daemon closed the connection."""
        while True:
            for message in self.unpacker:
                return message
            data = self.socket.recv(1 << 16)
            if not data:
                raise EOFError("the daemon closed the connection")
            self.unpacker.feed(data)

    def wait_reply(self, msgid):
        """(error, result) of that request; one of them is None."""
        while msgid not in self.replies:
            message = self.receive()
            if message[0] == RESPONSE:
                self.replies[message[1]] = (message[2], message[3])
            else:
                self.notifications.append((message[1], message[2]))
        return self.replies.pop(msgid)

    def wait(self, msgid):
        error, result = self.wait_reply(msgid)
        if error is not None:
            raise RpcError(error)
        return result

    def call(self, method, params=None):
        return self.wait(self.send(method, params))

    def ask(self, question, **params):
        return self.call("ask", {"question": question, **params})

    def sql(self, sql, **params):
        return self.call("sql", {"sql": sql, **params})
