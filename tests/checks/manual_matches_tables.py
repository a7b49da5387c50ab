#!/usr/bin/python3
"""optimax-protocol(7) names every method, parameter and error code of the tables, and no others;
optimaxctl(1) every command and option of the program."""

import os
import pathlib
import re
import sys

TOP = pathlib.Path(os.environ.get("top_srcdir") or pathlib.Path(__file__).parents[2])


def page(name):
    """The page's text without the roff."""
    text = (TOP / "doc" / name).read_text()
    return text.replace("\\-", "-").replace("\\(aq", "'")


def client_methods():
    """Methods a client may send: name, and its fields."""
    table = (TOP / "common/messages.def").read_text()
    fields = {name: re.findall(r"FIELD\(\w+, (\w+),", body) for name, body in
              re.findall(r"#define (\w+)_FIELDS\(FIELD\)((?:[^\n]*\\\n)*[^\n]*)", table)}
    return {method: fields[name] for name, method in
            re.findall(r'^MESSAGE\(\w+, (\w+), "(\w+)", REQUEST, (?:CLIENT|CONTROL),', table, re.M)}


def documented_methods(text):
    """`.SS ask` in METHODS, then one `.B field` entry a parameter."""
    section = re.search(r"^\.SH METHODS\n(.*?)^\.SH ", text, re.M | re.S)[1]
    methods = {}
    for part in re.split(r"^\.SS ", section, flags=re.M)[1:]:
        method, _, body = part.partition("\n")
        methods[method.strip()] = re.findall(r"^\.TP\n\.B (\w+)$", body, re.M)
    return methods


def compare(what, table, documented):
    missing = sorted(set(table) - set(documented))
    unknown = sorted(set(documented) - set(table))
    for name in missing:
        print(f"doc: {what} {name} is not in the page")
    for name in unknown:
        print(f"doc: {what} {name} is in the page, not in the table")
    return len(missing) + len(unknown)


def main():
    protocol = page("optimax-protocol.7")
    methods, documented = client_methods(), documented_methods(protocol)
    faults = compare("method", methods, documented)
    for method in set(methods) & set(documented):
        faults += compare(f"{method} parameter", methods[method], documented[method])

    codes = re.findall(r'^ERROR\(\w+, "(\w+)"', (TOP / "common/errors.def").read_text(), re.M)
    section = re.search(r"^\.SH ERRORS\n(.*?)^\.SH ", protocol, re.M | re.S)[1]
    faults += compare("error", codes, re.findall(r"^\.TP\n\.B (\w+)$", section, re.M))
    codes = re.findall(r'^CHECK_CODE\(\w+, "(\w+)",', (TOP / "common/check_codes.def").read_text(), re.M)
    section = re.search(r"^\.SH CHECK CODES\n(.*?)^\.SH ", protocol, re.M | re.S)[1]
    faults += compare("check code", codes, re.findall(r"^\.TP\n\.B (\w+)$", section, re.M))

    tool = page("optimaxctl.1")
    source = (TOP / "client/ctl_commands.c").read_text()
    faults += compare("command", re.findall(r'^\s+\{"(\w+)", "', source, re.M),
                      re.findall(r"^\.BR? (\w+)\b[^\n]*\n", re.search(
                          r"^\.SH COMMANDS\n(.*?)^\.SH ", tool, re.M | re.S)[1], re.M))
    source = (TOP / "client/ctl.c").read_text()
    faults += compare("option", re.findall(r'^\s+\{"([\w-]+)", (?:\'|\d)', source, re.M),
                      set(re.findall(r"--([a-z][\w-]+)", tool)))
    if not methods or not codes:
        print("doc: the tables were not understood")
        faults += 1
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
