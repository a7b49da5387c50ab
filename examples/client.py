#!/usr/bin/python3
"""Asks OptimaX with python3-msgpack alone.

    client.py how many orders are there
    client.py --sql "SELECT count(*) FROM orders"
"""
import itertools
import os
import socket
import sys

import msgpack


class OptimaxError(Exception):
    """What the daemon answered instead of a result: {code, message, retryable, …}."""


class Optimax:
    def __init__(self, path=os.environ.get("OPTIMAX_SOCKET") or "/run/optimax/optimax.sock"):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.messages = msgpack.Unpacker()
        self.msgids = itertools.count()

    def call(self, method, **params):
        msgid = next(self.msgids)
        self.socket.sendall(msgpack.packb([0, msgid, method, [params] if params else []]))
        while True:
            for message in self.messages:
                if message[0] == 1 and message[1] in (msgid, None):
                    if message[2]:
                        raise OptimaxError(message[2])
                    return message[3]
            received = self.socket.recv(65536)
            if not received:
                raise ConnectionError("the daemon closed the connection")
            self.messages.feed(received)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    try:
        if sys.argv[1] == "--sql":
            reply = Optimax().call("sql", sql=" ".join(sys.argv[2:]))
        else:
            reply = Optimax().call("ask", question=" ".join(sys.argv[1:]))
    except OptimaxError as error:
        sys.exit("{code}: {message}".format(**error.args[0]))
    except OSError as error:
        sys.exit(f"no daemon: {error}")
    if "columns" in reply:
        print(*(column["name"] for column in reply["columns"]), sep="\t")
        for row in reply["rows"]:
            print(*row, sep="\t")
    print(reply.get("sql") or reply.get("text"), f"({reply['via']})", file=sys.stderr)
