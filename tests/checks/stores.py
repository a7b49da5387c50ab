#!/usr/bin/python3
"""Every store to shared memory has its crash point: the point is the next statement.

What is shared follows from the types: a field of a struct of layout.h, layout_metrics.h or
lock.h, and anything _Atomic. Stores that go through words.h have their point built in.
"""

import re

import verdict

POINT = "CRASH_POINT();"
STRUCT = re.compile(r"struct (\w+) \{(.*?)\n\s*\}", re.DOTALL)
FIELD = re.compile(r"(?:^|;|\{)\s*(?:_Alignas\(\d+\) )?((?:const )?(?:_Atomic )?(?:struct )?\w+)\s+([^;(){}]+);", re.MULTILINE)
FUNCTION = re.compile(r"^(?!typedef|enum|struct \w+ \{)[a-z_][^;{}#]*\([^;{}]*\)\n\{\n(.*?)^\}", re.DOTALL | re.MULTILINE)
DECLARED = re.compile(r"((?:const )?(?:_Atomic )?(?:struct )?\w+)\s+(\*?)\b(\w+)\b(?=\s*(?:[,;)=\[]))")
PLACE = r"(?:\*\s*)?[A-Za-z_]\w*(?:(?:->|\.)\w+|\[[^\]=;]*\])*"
ASSIGNED = re.compile(rf"(?<![\w.>*&(\[] )(?<![\w.>])({PLACE})\s*(?:=(?!=)|[-+|&^]=|<<=|>>=|\+\+|--)")
ATOMIC = re.compile(r"\batomic_(?:store|exchange|fetch_|compare_exchange|init|flag_)\w*\(\s*&?([^,)]*)")
COPIED = re.compile(r"\b(?:memcpy|memset|memmove|memccpy|strcpy|strncpy|snprintf|stpcpy)\(\s*&?([^,]+),")
LOCKED = re.compile(r"\bpthread_mutex_(?:init|lock|trylock|clocklock|timedlock|consistent|unlock)\(")


def strip_comments(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*", lambda match: re.sub(r"[^\n]", " ", match[0]), text, flags=re.DOTALL)


def read_structs(texts):
    """struct name: {field: type as written, with * where it is a pointer}"""
    structs = {}
    for text in texts:
        for name, body in STRUCT.findall(text):
            fields = structs.setdefault(name, {})
            for kind, declared in FIELD.findall("\n" + body):
                for one in declared.split(","):
                    pointer = "*" if "*" in one else ""
                    fields[re.sub(r"\[.*|[*\s]", "", one)] = kind + pointer
    return structs


def base(kind):
    return kind.replace("const ", "").replace("_Atomic ", "").replace("struct ", "").rstrip("*")


class Scope:
    """What the names in one function are."""

    def __init__(self, head_and_body, structs, shared):
        self.structs, self.shared = structs, shared
        self.kinds = {}
        for kind, pointer, name in DECLARED.findall(head_and_body):
            self.kinds.setdefault(name, kind + pointer)
        # `struct a *b, *c` and `_Atomic uint64_t *x = …, *y`
        for kind, rest in re.findall(r"^\s*((?:const )?(?:_Atomic )?(?:struct )?\w+) (\*\w+[^;]*);", head_and_body, re.MULTILINE):
            for name in re.findall(r"\*(\w+)\b", rest):
                self.kinds.setdefault(name, kind + "*")

    def is_shared(self, place):
        """Whether a store to this expression lands in shared memory."""
        place = place.strip().lstrip("(")
        dereferenced = place.startswith("*")
        parts = re.findall(r"->|\.|\[|\w+(?![^\[]*\])", place.lstrip("* "))
        parts = [part for part in parts if part]
        if not parts:
            return False
        kind = self.kinds.get(parts[0], "")
        if len(parts) == 1 and not dereferenced:
            return False  # a local variable, whatever it is
        through_pointer = kind.endswith("*")
        owner = ""
        for step in parts[1:]:
            if step in ("->", ".", "["):
                continue
            owner = base(kind)
            kind = self.structs.get(owner, {}).get(step, "")
            if kind.endswith("*"):
                through_pointer = True
            if owner in self.shared and through_pointer:
                return True
        if "_Atomic" in kind:
            return dereferenced or "[" in parts
        return False


def faults_of(path, text, structs, shared):
    for function in FUNCTION.finditer(text):
        head = text[function.start():function.start(1)]
        scope = Scope(head + function[1], structs, shared)
        found = []
        for pattern in (ASSIGNED, COPIED, ATOMIC):
            for match in pattern.finditer(function[1]):
                if pattern is ATOMIC or scope.is_shared(match[1]):
                    found.append(match)
        found += LOCKED.finditer(function[1])
        for match in found:
            behind = function[1][match.start():]
            end = statement_end(behind)
            # A loop that does nothing but try again ends with its own empty statement.
            following = re.sub(r"^(?:\s|;|\})+", "", behind[end:])
            if not following.startswith(POINT):
                line = text.count("\n", 0, function.start(1) + match.start()) + 1
                yield f"{path}:{line}: `{match[0].strip()}` stores to shared memory; write {POINT} behind it"


def statement_end(text):
    depth = 0
    for at, sign in enumerate(text):
        if sign == "(":
            depth += 1
        elif sign == ")":
            depth -= 1
        elif sign == ";" and depth <= 0:
            return at + 1
    return len(text)


def words_faults(path, text):
    """The wrappers themselves: one place stores, and has the point behind it."""
    stores = list(re.finditer(r"\batomic_store\w*\([^;]*;", text))
    if len(stores) != 1 or POINT not in text[stores[0].end():stores[0].end() + 40] if stores else True:
        yield f"{path}: the one atomic_store of the wrappers must be followed by {POINT}"


def faults(top):
    folder = top / "shm"
    texts = {path: strip_comments(path.read_text()) for path in sorted(folder.glob("*.[ch]"))}
    structs = read_structs(texts.values())
    shared = set()
    for name in ("layout.h", "layout_metrics.h", "lock.h"):
        shared |= set(read_structs([texts[folder / name]]))
    for path, text in texts.items():
        shown = path.relative_to(top)
        if path.name == "words.h":
            yield from words_faults(shown, text)
        elif path.suffix == ".c":
            yield from faults_of(shown, text, structs, shared)


if __name__ == "__main__":
    verdict.main(faults)
