"""A model server that does what the test says, rightly or wrongly: one asyncio loop in a thread.

    with FakeModel(answers=[busy(retry_after=0), openai("Hello")]) as model: …

An answer is `async def answer(request, reply)`; the last one is used again. They write bytes
with reply.head, reply.chunk, reply.end, reply.cut. `model.requests` has what came."""

import asyncio
import json
import os
import socket
import ssl
import threading


class Request:
    def __init__(self, path, headers, body):
        self.path = path
        self.headers = headers
        self.body = json.loads(body) if body else None
        self.gone = threading.Event()  # the client closed before the answer's end

    @property
    def messages(self):
        return self.body["messages"]


class Reply:
    """Chunked, so that an answer may end anywhere."""

    def __init__(self, writer, ended):
        self.writer = writer
        self.open = True
        self.ended = ended  # called when the client may take it for ended

    async def raw(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, status=200, content_type="text/event-stream", **headers):
        lines = [f"HTTP/1.1 {status} Status", "Transfer-Encoding: chunked"]
        if content_type:
            lines.append(f"Content-Type: {content_type}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.raw("\r\n".join([*lines, "", ""]).encode())

    async def chunk(self, data):
        if data:
            await self.raw(b"%x\r\n%s\r\n" % (len(data), data))

    async def end(self):
        self.ended()
        await self.raw(b"0\r\n\r\n")

    def cut(self):
        self.open = False
        self.writer.transport.abort()


# ---- what servers send

def sse(event):
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def openai_events(text, finish="stop", tokens=7):
    """As llama.cpp streams: role first with null content, usage last with empty choices."""
    def event(delta, reason=None, **more):
        return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more}
    pieces = [text[at:at + 4] for at in range(0, len(text), 4)]
    events = [event({"role": "assistant", "content": None}), *[event({"content": piece}) for piece in pieces],
              event({}, finish)]
    usage = {**event({}), "choices": [], "usage": {"completion_tokens": tokens, "prompt_tokens": 1}}
    return [sse(one) for one in [*events, usage]] + [b"data: [DONE]\n\n"]


def ollama_events(text, done_reason="stop"):
    def line(event):
        return json.dumps({"model": "m", "created_at": "2026-01-01T00:00:00Z", **event}).encode() + b"\n"
    pieces = [text[at:at + 4] for at in range(0, len(text), 4)]
    return [*[line({"message": {"role": "assistant", "content": piece}, "done": False}) for piece in pieces],
            line({"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": done_reason,
                  "eval_count": 20, "eval_duration": 100_000_000})]


TYPES = {"/api/chat": "application/x-ndjson", "/v1/chat/completions": "text/event-stream"}


def stream(chunks, content_type=None):
    """Sends ready bytes, or what chunks(request) makes."""
    async def answer(request, reply):
        await reply.head(200, content_type or TYPES.get(request.path, "text/plain"))
        for chunk in chunks(request) if callable(chunks) else chunks:
            await reply.chunk(chunk)
        await reply.end()
    return answer


def say(text, **how):
    """The text in the way of whichever path is asked."""
    def chunks(request):
        events = ollama_events if request.path == "/api/chat" else openai_events
        return events(text(request) if callable(text) else text, **how)
    return stream(chunks)


def refuse(status, message="no", content_type="application/json", **headers):
    async def answer(request, reply):
        error = {"error": {"message": message, "code": status}}
        if request.path == "/api/chat":
            error = {"error": message}
        await reply.head(status, content_type, **headers)
        await reply.chunk(json.dumps(error).encode())
        await reply.end()
    return answer


def hang(before=()):
    """Sends some events and then nothing, until the client goes."""
    async def answer(request, reply):
        if before:
            await reply.head(200, TYPES[request.path])
        for chunk in before:
            await reply.chunk(chunk)
        await asyncio.sleep(3600)
    return answer


def cut(before=()):
    async def answer(request, reply):
        if before:
            await reply.head(200, TYPES[request.path])
        for chunk in before:
            await reply.chunk(chunk)
        reply.cut()
    return answer


def and_close(answer):
    """Ends the connection after the answer without having said so, as llama.cpp does after a stream."""
    async def answer_and_close(request, reply):
        await answer(request, reply)
        reply.open = False
    return answer_and_close


def late(seconds, answer):
    async def wait(request, reply):
        await asyncio.sleep(seconds)
        await answer(request, reply)
    return wait


def held(go_on, answer):
    """Waits for the test's event."""
    async def wait(request, reply):
        while not go_on.is_set():
            await asyncio.sleep(0.001)
        await answer(request, reply)
    return wait


def flood(total=100 << 20):
    """A body without an end in sight."""
    async def answer(request, reply):
        piece = ollama_events("x" * 4000)[:-1] if request.path == "/api/chat" else openai_events("x" * 4000)[:-3]
        block = b"".join(piece)
        await reply.head(200, TYPES[request.path])
        for _ in range(total // len(block)):
            await reply.chunk(block)
        await reply.end()
    return answer


# ---- the server

class FakeModel:
    def __init__(self, answers=None, unix=None, tls=None):
        self.answers = list(answers or [say("Hello")])
        self.requests = []
        self.connections = self.in_flight = self.most_in_flight = 0
        self.unix = unix
        self.tls = tls  # (certificate, key)
        self.port = None
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        self._started.wait(10)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def url(self):
        if self.unix:
            return f"unix:{self.unix}"
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    def script(self, *answers):
        """What the next requests get; forgets what came before."""
        self.answers = list(answers)
        self.requests.clear()

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self):
        self._stop = asyncio.Event()
        context = None
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
        if self.unix:
            server = await asyncio.start_unix_server(self._connected, self.unix, backlog=4096)
            os.chmod(self.unix, 0o777)
        else:
            server = await asyncio.start_server(self._connected, "127.0.0.1", self.port or 0, ssl=context, backlog=4096)
            self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()
        for task in asyncio.all_tasks(self._loop) - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    async def _connected(self, reader, writer):
        self.connections += 1
        try:
            early = b""
            while early is not None:
                early = await self._answer_one(early, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    async def _answer_one(self, early, reader, writer):
        """What came of the next request while this one was answered; None: it is the last one."""
        head = (early + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) if ": " in line else (line.rstrip(":"), "")
                       for line in head[1:] if line)
        # As it was sent: a key is not for lower().
        headers |= {line.split(":")[0].lower(): line.split(": ", 1)[1] for line in head[1:] if ": " in line}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        request = Request(head[0].split(" ")[1], headers, body)
        self.requests.append(request)
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        going_on = True

        def ended():
            nonlocal going_on
            self.in_flight -= going_on
            going_on = False

        reply = Reply(writer, ended)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        # It never sends while it waits: what can be read is its end.
        answering = asyncio.ensure_future(answer(request, reply))
        watching = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({answering, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                request.gone.set()
                return None
            answering.result()
            watching.cancel()
            await asyncio.wait({watching})
            early = b"" if watching.cancelled() else watching.result()
            return early if reply.open and not reader.at_eof() else None
        except ConnectionError:
            request.gone.set()
            return None
        finally:
            ended()
            answering.cancel()
            watching.cancel()


def closed_port():
    """One that refuses connections, as long as nobody takes it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
