#!/usr/bin/python3
"""The scenes of script/demo: asks through optimaxctl, shows the replies, and compares each with
what PostgreSQL itself says. Arguments: optimaxctl, then psql with its options."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

ROWS_SHOWN = 5
WIDTH = 96
COLOR = sys.stdout.isatty()

REVENUE = ("SELECT c.country, count(*) AS orders, sum(o.total) AS revenue FROM orders o"
           " JOIN customers c ON c.id = o.customer_id WHERE o.status <> 'cancelled'"
           " GROUP BY c.country ORDER BY revenue DESC LIMIT 5")
GERMANS = "How many customers are in Germany?"

# title, command and text, what must hold of the reply. `truth` is SQL for psql: row by row its
# values must be in the reply. `error` is the code that must come instead of a reply.
SCENES = [
    ("A question, answered by rules from the schema alone",
     ("ask", GERMANS),
     {"via": "heuristic", "cached": False, "truth": "SELECT count(*) FROM customers WHERE country = 'Germany'"}),
    ("The same again: from shared memory",
     ("ask", GERMANS),
     {"via": "cache", "cached": True, "truth": "SELECT count(*) FROM customers WHERE country = 'Germany'"}),
    ("A year",
     ("ask", "How many orders were placed in 2024?"),
     {"cached": False, "truth": "SELECT count(*) FROM orders WHERE extract(year FROM placed_at) = 2024"}),
    ("A ranking",
     ("ask", "Show the top 5 products by price"),
     {"cached": False, "truth": "SELECT name FROM products ORDER BY price DESC LIMIT 5"}),
    ("A join along a foreign key",
     ("ask", "What is the average price of products per category?"),
     {"cached": False, "any_order": True, "truth":
      "SELECT c.name, avg(price) FROM products JOIN categories c ON c.id = category_id GROUP BY c.name"}),
    ("SQL of your own",
     ("sql", REVENUE), {"via": "client", "cached": False, "truth": REVENUE}),
    ("The same again",
     ("sql", REVENUE), {"via": "cache", "cached": True, "truth": REVENUE}),
    ("A statement that writes is refused before PostgreSQL sees it",
     ("sql", "DELETE FROM orders"), {"error": "sql_rejected"}),
    ("So is one that reads what is no table",
     ("sql", "SELECT pg_read_file('/etc/passwd')"), {"error": "sql_rejected"}),
    ("A question it can't account for word by word is declined, not guessed",
     ("ask", "How many customers will cancel their orders because of bad weather?"),
     {"error": "unanswerable"}),
]
BEST = "Who are our best customers?"
BEST_SQL = ("SELECT c.name, sum(o.total) AS spent FROM customers c JOIN orders o ON o.customer_id = c.id"
            " WHERE o.status <> 'cancelled' GROUP BY c.id ORDER BY spent DESC, c.id LIMIT 5")
AFTER_TEACHING = [
    ("And are asked", ("ask", BEST), {"cached": False, "truth": BEST_SQL}),
]
AFTER_KILL = [
    ("Asked again at once: something new",
     ("ask", "How many reviews have a rating of 5?"),
     {"cached": False, "truth": "SELECT count(*) FROM reviews WHERE rating = 5"}),
    ("And what was in the cache is still there",
     ("ask", GERMANS),
     {"via": "cache", "cached": True, "truth": "SELECT count(*) FROM customers WHERE country = 'Germany'"}),
]


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOR else text


def cut(text, width=WIDTH):
    return text if len(text) <= width else text[:width - 1] + "…"


def fold(text, width=WIDTH):
    """The whole text, its further lines indented like the first."""
    return "\n   ".join(textwrap.wrap(text, width))


class Demo:
    def __init__(self, ctl, psql):
        self.ctl = ctl
        self.psql = psql
        self.count = self.wrong = 0

    def run(self, *words):
        """The reply, or {"error": …}."""
        done = subprocess.run([self.ctl, "--json", *words], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        try:
            return json.loads(done.stdout.splitlines()[-1])
        except (ValueError, IndexError):
            return {"error": {"code": "no_reply", "message": done.stderr.strip() or f"status {done.returncode}"}}

    def truth(self, sql):
        done = subprocess.run([*self.psql, "-At", "-F", "\x1f", "-c", sql], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True, timeout=60, check=True, cwd="/")
        return [line.split("\x1f") for line in done.stdout.splitlines()]

    def faults(self, reply, expected):
        """What is not as it must be."""
        error = reply.get("error")
        if error or "error" in expected:
            code = error["code"] if error else "a reply"
            return [] if code == expected.get("error") else [f"got {code}, not {expected.get('error', 'a reply')}"]
        found = [f"{key} is {reply.get(key)!r}, not {expected[key]!r}"
                 for key in ("via", "cached") if key in expected and reply.get(key) != expected[key]]
        rows = [[as_text(value) for value in row] for row in reply["rows"]]
        truth = self.truth(expected["truth"])
        if not same(rows, truth, expected.get("any_order", False)):
            found.append(f"PostgreSQL says {truth[:ROWS_SHOWN]}")
        return found

    def verdict(self, found):
        self.count += 1
        if found:
            self.wrong += 1
            print(paint("31;1", f"   NOT AS EXPECTED: {'; '.join(found)}"))

    def scene(self, title, command, expected):
        kind, text = command
        print(f"\n{paint('1', title)}")
        print(f" {paint('36', '?' if kind == 'ask' else '$')} {fold(text)}")
        started = time.perf_counter()
        reply = self.run(kind, text)
        spent_ms = (time.perf_counter() - started) * 1000
        if "error" in reply:
            error = reply["error"]
            detail = f" ({error['detail']})" if error.get("detail") else ""
            print(f"   {paint('33', error['code'] + detail)}: {fold(error['message'])}")
            print(paint("2", f"   {spent_ms:.0f} ms with the start of optimaxctl"))
        else:
            if kind == "ask":
                print(paint("2", f"   {fold(reply['sql'])}"))
            show_rows(reply)
            print(f"   {paint('32', way(reply))}")
        self.verdict(self.faults(reply, expected))

    def teach(self, question, sql):
        print(f"\n{paint('1', 'What the rules can not know they are taught')}")
        print(f" {paint('36', '$')} {fold(f'optimaxctl teach {chr(34)}{question}{chr(34)} {chr(34)}{sql}{chr(34)}')}")
        reply = self.run("teach", question, sql)
        self.verdict([] if reply.get("taught") == 1 else [f"the reply is {reply}"])

    def kill_worker(self):
        print(f"\n{paint('1', 'kill -9 of every database worker')}")
        status = self.run("status")
        pids = [child["pid"] for child in status["children"] if child["role"] == "database"]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        print(f"   killed: {' '.join(map(str, pids))}")
        self.verdict([] if pids else ["there was none"])
        return pids

    def check_replaced(self, killed):
        """All workers are ready again, and none is one of the killed."""
        deadline = time.monotonic() + 15
        while True:
            children = [child for child in self.run("status").get("children", []) if child["role"] == "database"]
            if len(children) == len(killed) and all(child["state"] == "ready" for child in children):
                break
            if time.monotonic() > deadline:
                self.verdict([f"the workers are {children}"])
                return
            time.sleep(0.02)
        pids = [child["pid"] for child in children]
        print(paint("2", f"\n   in their place: {' '.join(map(str, pids))}"))
        self.verdict(["the same processes"] if set(pids) & set(killed) else [])

    def stats(self, asked):
        print(f"\n{paint('1', 'What it counted')}")
        stats = self.run("stats")
        times, cache = stats["response_times"], stats["cache_stats"]
        print(f"   {stats['total_requests']} requests, {cache['hit_rate']:.0%} of all lookups hit, "
              f"{cache['total_entries']} entries, median {times['p50_ms']:.2f} ms")
        print(f"   routed by words: {stats['heuristic_routing']['hits']}, by a model: "
              f"{stats['model_routing']['hits']}")
        self.verdict([] if stats["total_requests"] == asked else [f"{asked} were sent"])


def as_text(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return "t" if value else "f"
    return str(value)


def same(rows, truth, any_order):
    """Whether each row has the values of its row of truth, among others it may have."""
    if len(rows) != len(truth):
        return False
    if not any_order:
        return all(set(wanted) <= set(row) for row, wanted in zip(rows, truth))
    rest = list(rows)
    for wanted in truth:
        match = next((row for row in rest if set(wanted) <= set(row)), None)
        if match is None:
            return False
        rest.remove(match)
    return True


def show_rows(reply):
    rows = [[as_text(value) for value in row] for row in reply["rows"][:ROWS_SHOWN]]
    names = [column["name"] for column in reply["columns"]]
    widths = [min(32, max(len(line[i]) for line in [names, *rows])) for i in range(len(names))]
    for number, line in enumerate([names, *rows]):
        text = "  ".join(cut(value, width).ljust(width) for value, width in zip(line, widths))
        print(f"   {paint('4', cut(text)) if number == 0 else cut(text)}".rstrip())
    more = reply["row_count"] - len(rows)
    if more > 0:
        print(f"   … {more} more")


def way(reply):
    """How it came about, and how long the daemon took."""
    parts = [{"cache": "from the cache", "heuristic": "routed by words", "client": "your SQL",
              "model": "routed by a model"}[reply["via"]]]
    if reply.get("provider"):
        parts.append(f"SQL by {reply['provider']}")
    parts.append(f"{reply['timing_us']['total'] / 1000:.2f} ms")
    return " · ".join(parts)


def main():
    demo = Demo(sys.argv[1], sys.argv[2:])
    tables, rows = demo.truth("SELECT count(*), sum(reltuples)::bigint FROM pg_class WHERE relkind = 'r'"
                             " AND relnamespace = 'public'::regnamespace")[0]
    print(f"\n{paint('1', 'OptimaX')}: questions in plain language to PostgreSQL. "
          f"Here: {tables} tables, {int(rows):,} rows, no model, no network.")
    for scene in SCENES:
        demo.scene(*scene)
    demo.teach(BEST, BEST_SQL)
    for scene in AFTER_TEACHING:
        demo.scene(*scene)
    killed = demo.kill_worker()
    for scene in AFTER_KILL:
        demo.scene(*scene)
    demo.check_replaced(killed)
    demo.stats(len(SCENES) + len(AFTER_TEACHING) + len(AFTER_KILL))
    right = demo.count - demo.wrong
    print(f"\n{paint('32;1' if not demo.wrong else '31;1', f'{right} of {demo.count} as expected')}")
    return 1 if demo.wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
