#!/usr/bin/python3
"""The checks find what they are for: each gets a small tree with one fault, and one without."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))

import layers  # noqa: E402
import names  # noqa: E402
import sizes  # noqa: E402
import stores  # noqa: E402


def body(lines):
    return "int f(void)\n{\n" + "\tg();\n" * (lines - 2) + "}\n"


# One function on shared memory, where one on its own is at stake.
SHARED_TYPES = """struct lock {
	pthread_mutex_t mutex;
};
struct layout_slot {
	_Atomic uint64_t word;
	uint32_t size;
	char name[8];
};
"""
OWN_TYPES = """struct entry {
	uint64_t word;
};
struct shard {
	struct layout_slot *first;
	_Atomic uint64_t *used, *starts;
};
"""


def storing(statement):
    return ("int f(struct shard *shard, struct layout_slot *slot, struct entry *entry, _Atomic uint64_t *at)\n"
            "{\n\tstruct entry local;\n\tint x;\n\n\t" + statement + "\n\treturn 0;\n}\n")


# check, file, its text, whether that is a fault
CASES = [
    (layers, "text/stem.c", '#include "common/bytes.h"\n#include <stdio.h>\n#include "config.h"\n', False),
    (layers, "daemon/router.c", '#include "shm/cache.h"\n#include "text/tokens.h"\n', False),
    (layers, "common/bytes.c", '#include "text/tokens.h"\n', True),
    (layers, "text/stem.c", '#include "shm/cache.h"\n', True),
    (layers, "shm/cache.c", '#include "text/stem.h"\n', True),
    (layers, "daemon/router.c", '#include "worker/sql.h"\n', True),
    (layers, "worker/sql/run.c", '\t#  include "client/client.h"\n', True),
    (layers, "client/ctl.c", '#include "daemon/router.h"\n', True),
    (layers, "client/ctl.c", '#include "ctl.h"\n', True),
    (layers, "worker/run.c", '#include "../daemon/router.h"\n', True),
    (sizes, "shm/a.c", body(80) + body(80), False),
    (sizes, "shm/a.c", body(81), True),
    (sizes, "shm/a.h", "int x;\n" * 600, False),
    (sizes, "shm/a.h", "int x;\n" * 601, True),
    (sizes, "script/demo", "x\n" * 601, True),
    (sizes, "tests/unit/test_a.c", body(200), False),
    *[(stores, "shm/a.c", storing(statement), is_fault) for statement, is_fault in [
        ("entry->word = 1;", False),
        ("local.word = slot->word;", False),
        ("x = slot->size == 1;", False),
        ("x = (int)*at;", False),
        ("memcpy(&local, slot->name, 8);", False),
        ("WORDS_STORE(slot->word, 1);", False),
        ("slot->size = 1;\n\tCRASH_POINT();", False),
        ("slot->size = 1;", True),
        ("slot->word |= 1;", True),
        ("slot->size++;", True),
        ("slot->size = 1;\n\tslot->size = 2;\n\tCRASH_POINT();", True),
        ("shard->first->size = 1;", True),
        ("shard->used[3] = 1;", True),
        ("*at = 1;", True),
        ("at[2] = 1;", True),
        ("memcpy(slot->name, \"abc\", 4);", True),
        ("atomic_fetch_add(&slot->word, 1);", True),
        ("atomic_store_explicit(at, 1, memory_order_relaxed);", True),
        ("pthread_mutex_unlock(&shard->lock);", True),
    ]],
    (names, "common/bytes.c", "", False),
    (names, "common/common.mk", "", False),
    (names, "common/common.c", "", True),
    (names, "daemon/string_utils.h", "", True),
    (names, "worker/helper.c", "", True),
    (names, "shm/cache_manager.c", "", True),
]


class Checks(unittest.TestCase):
    def test_cases(self):
        for check, name, text, is_fault in CASES:
            with self.subTest(check=check.__name__, name=name, text=text[-90:]), tempfile.TemporaryDirectory() as top:
                path = Path(top, name)
                path.parent.mkdir(parents=True)
                if check is stores:
                    for header in ("layout.h", "layout_metrics.h", "lock.h"):
                        path.with_name(header).write_text(SHARED_TYPES)
                    path.with_name("shard.h").write_text(OWN_TYPES)
                path.write_text(text)
                self.assertEqual(bool(list(check.faults(Path(top)))), is_fault)


if __name__ == "__main__":
    unittest.main()
