#!/usr/bin/python3
"""A test of the tests: shm/ with one step left out or turned round must not pass them.

Each mutation of the table is made in a copy of its file, and one of the tests in this folder
must then find something bad.
	mutations.py [WORD ...]   those whose name has one of the words
"""

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

# name, file, the code as it is (once in the file), the code instead, the program that must fail
TABLE = [
    # repair: every step of it
    ("repair: sequence not odd", "repair.c", "\tshard_begin_locked(shard);\n\tclear_derived", "\tclear_derived", "crash_points"),
    ("repair: buckets not cleared", "repair.c", "WORDS_STORE(shard->buckets[i], LAYOUT_NONE);", ";", "crash_points"),
    ("repair: used bits not cleared", "repair.c", "WORDS_STORE(shard->used[i], 0);", "", "crash_points"),
    ("repair: start bits not cleared", "repair.c", "WORDS_STORE(shard->starts[i], 0);", "", "crash_points"),
    ("repair: counts' generation not taken", "repair.c", "WORDS_STORE(count->generation,\n\t\t\t    WORDS_LOAD(shard->cache->header->flush_generation[type][i]));", "", "scribbles"),
    ("repair: counts of entries not cleared", "repair.c", "WORDS_STORE(count->entries, 0);", "", "crash_points"),
    ("repair: counts of bytes not cleared", "repair.c", "WORDS_STORE(count->bytes, 0);", "", "crash_points"),
    ("repair: half written slots not freed", "repair.c", "if (slot_state(entry.word) != LAYOUT_LIVE) {\n\t\tset_free(shard, index, entry.word);", "if (slot_state(entry.word) != LAYOUT_LIVE) {", "crash_points"),
    ("repair: the newest not before the others", "repair.c", "\ttake_up(shard, newest, checksums, &outcome);\n\tfor (uint32_t i = 0; i < limit; i++)\n\t\tif (i != newest)\n", "\tfor (uint32_t i = 0; i < limit; i++)\n", "crash_points"),
    ("repair: the oldest before the others", "repair.c", "if (word <= most)", "if (most > 0 && word >= most)", "crash_points"),
    ("repair: twins stay", "repair.c", "|| has_twin(shard, &entry) ||", "||", "crash_points"),
    ("repair: room not marked", "repair.c", "\troom_mark_locked(shard, entry.extent, entry_grains(&entry), true);", "", "crash_points"),
    ("repair: entries not linked", "repair.c", "\tshard_link_locked(shard, index, entry.hash);", "", "crash_points"),
    ("repair: entries not counted", "repair.c", "\tshard_count_locked(shard, &entry, true);", "", "crash_points"),
    ("repair: free list not begun again", "repair.c", "\tWORDS_STORE(shard->header->free_head, LAYOUT_NONE);", "", "crash_points"),
    ("repair: free slots not listed", "repair.c", "\t\t\tshard_push_free_locked(shard, i);", "\t\t\t;", "crash_points"),
    ("repair: sequence stays odd", "repair.c", "\tshard_end_locked(shard);\n\tif (shard->cache->metrics)", "\tif (shard->cache->metrics)", "crash_points"),
    ("repair: number of slots believed", "repair.c", "WORDS_STORE(shard->header->slot_limit, limit);", "", "scribbles"),
    ("repair: extents believed", "repair.c", "return entry_fits(shard, entry, shard_data_limit_locked(shard)) &&\n\t       WORDS_LOAD", "return WORDS_LOAD", "scribbles"),
    ("repair: extents' owners believed", "repair.c", "WORDS_LOAD(extent_at(shard, entry->extent)->slot) == index &&", "", "scribbles"),
    ("repair: checksums believed", "repair.c", "(!checksums || checksum_holds(shard, entry))", "true", "scribbles"),
    ("repair: overlaps believed", "repair.c", " && room_is_free(shard, &entry)", "", "scribbles"),
    ("repair: flush generations believed", "repair.c", " || entry_is_flushed(shard, &entry)) {", ") {", "scribbles"),
    ("repair: serial believed", "repair.c", "newest_serial > serial ? newest_serial : serial", "serial", "scribbles"),
    ("link: a bucket without its first slot's extent", "shard.c", "WORDS_PUBLISH(*bucket, extent << 32 | first);", "WORDS_PUBLISH(*bucket, first);", "crash_points"),
    ("link: a bucket keeps the extent of who went", "shard.c", "\t\tset_bucket(shard, bucket, next);", "\t\tWORDS_PUBLISH(*bucket, (WORDS_LOAD(*bucket) & ~(uint64_t)UINT32_MAX) | next);", "crash_points"),
    # who takes the lock
    ("lock: owner's death not asked", "shard.c", "if (taken == LOCK_TAKEN && WORDS_LOAD(shard->header->sequence) % 2 == 0 &&", "if (WORDS_LOAD(shard->header->sequence) % 2 == 0 &&", "equivalent"),
    ("lock: sequence not asked", "shard.c", "if (taken == LOCK_TAKEN && WORDS_LOAD(shard->header->sequence) % 2 == 0 &&", "if (taken == LOCK_TAKEN &&", "crash_points"),
    ("lock: never marked repaired", "shard.c", "\tif (taken == LOCK_OWNER_DIED)\n\t\tlock_mark_repaired(&shard->header->lock);", "", "crash_points"),
    ("lock: nothing repaired", "shard.c", "\tshard_repair_locked(shard, false);\n\tif (taken == LOCK_OWNER_DIED)", "\tif (taken == LOCK_OWNER_DIED)", "crash_points"),
    # who writes
    ("put: sequence not odd", "cache.c", "\tshard_begin_locked(shard);\n", "", "crash_points"),
    ("put: live before it is written", "cache.c", "entry->word | LAYOUT_WRITING", "entry->word | LAYOUT_LIVE", "crash_points"),
    ("put: the older entry stays", "cache.c", "return older == LAYOUT_NONE ? 0 : shard_remove_locked(shard, older);", "return 0;", "crash_points"),
    ("remove: not free first", "shard.c", "\tWORDS_STORE(slot->word, (entry.word & ~(uint64_t)LAYOUT_STATE_MASK) | LAYOUT_FREE);", "", "crash_points"),
    ("touch: the clock before the relation", "freshness.c", "\traise_to(&at->relation_clock[(uint32_t)relation % LAYOUT_RELATION_CLOCKS], value);\n\traise_to(&at->clock, value);", "\traise_to(&at->clock, value);\n\traise_to(&at->relation_clock[(uint32_t)relation % LAYOUT_RELATION_CLOCKS], value);", "crash_points"),
    ("metrics: reset by halves", "metrics.c", "next = (WORDS_LOAD(metrics->layout->baseline) & 1) ^ 1;", "next = WORDS_LOAD(metrics->layout->baseline) & 1;", "crash_points"),
    ("metrics: slots count though they are given up", "metrics.c", "\tif (word & METRICS_RELEASED)\n\t\tmemset(ret, 0, sizeof(*ret));\n", "", "crash_points"),
    ("metrics: slots cleared before their sums hold", "metrics.c", "\t\tWORDS_PUBLISH(layout->baseline, next | METRICS_RELEASED);\n", "", "crash_points"),
    ("database: named before its name is there", "freshness.c", "\t\tmemcpy(database->name, name.data, name.size);", "\t\tWORDS_PUBLISH(database->state, LAYOUT_DATABASE_NAMED);\n\t\tmemcpy(database->name, name.data, name.size);", "crash_points"),
    # who reads
    ("get: generation not compared", "cache.c", "return WORDS_LOAD(slot->word) == entry->word;", "return true;", "readers"),
    ("get: checksum not compared", "cache.c", "if (checksum != entry_checksum(shard, entry, clock, relations, value))", "if (false)", "scribbles"),
    ("get: the first absence is believed", "cache.c", "for (int tries = 1; tries < CACHE_GET_TRIES; tries++) {", "for (int tries = CACHE_GET_TRIES; tries < CACHE_GET_TRIES; tries++) {", "readers"),
    ("get: an absence is believed though the sequence moved", "cache.c", "if (sequence % 2 == 0 && WORDS_LOAD(header->sequence) == sequence)", "if (sequence % 2 == 0)", "interleaved"),
    ("put: live before it is linked", "cache.c", "\tshard_link_locked(shard, index, entry->hash);\n\tWORDS_PUBLISH(slot->word, entry->word | LAYOUT_LIVE); /* the commit point */\n", "\tWORDS_PUBLISH(slot->word, entry->word | LAYOUT_LIVE);\n\tshard_link_locked(shard, index, entry->hash);\n", "interleaved"),
    ("get: what is linked and not yet put ends the look", "cache.c", "return FOUND_ABSENT; /* linked", "return FOUND_CHANGED; /* linked", "interleaved"),
]
PROGRAMS = {"crash_points", "interleaved", "readers", "scribbles"}
# A mutation that no test can see, and why.
EQUIVALENT = {
    "lock: owner's death not asked": "an owner that died with an even sequence had not begun, or had ended: the shard is whole",
}


def mutate(text, number):
    name, file, was, now, _ = TABLE[number - 1]
    if text.count(was) != 1:
        sys.exit(f"mutations.py: {file} has the code of \"{name}\" {text.count(was)} times; bring the table up to date")
    return text.replace(was, now)


def main():
    top = Path(os.environ.get("top_srcdir", ".")).resolve()
    build = Path(os.environ.get("top_builddir", ".")).resolve()
    compiler = shlex.split(os.environ.get("CC", "cc"))
    flags = ["-std=gnu11", "-O1", "-w", "-DOPTIMAX_CRASH_POINTS=1", "-include", str(build / "config.h")]
    only = sys.argv[1:]
    survived = caught = 0
    with tempfile.TemporaryDirectory(prefix="optimax-mutations-") as scratch:
        scratch = Path(scratch)
        (scratch / "shm").mkdir()
        sources = {path.name: path.read_text() for path in sorted((top / "shm").glob("*.c"))}
        for name, text in sources.items():
            (scratch / "shm" / name).write_text(text)
        tests = top / "tests/crash"
        scene = [str(tests / name) for name in ("judge.c", "operations.c", "tiny.c")]
        link = [str(top / "common" / name) for name in ("bytes.c", "role.c")] + ["-lxxhash", "-lpthread"]
        include = [f"-I{top}", f"-I{build}"]
        objects = {}

        def compile_object(source, number):
            place = scratch / f"{Path(source).stem}-{number}.o"
            subprocess.run([*compiler, *flags, *include, "-c", str(source), "-o", str(place)], check=True)
            return str(place)

        for source in [*(scratch / "shm" / name for name in sources), *scene, *link[:2],
                       *(tests / f"{program}.c" for program in PROGRAMS)]:
            objects[Path(source).name] = compile_object(source, 0)

        def run(program, number, file):
            changed = dict(objects)
            mutated = scratch / f"mutated_{file}"
            mutated.write_text(mutate(sources[file], number))
            changed[file] = compile_object(mutated, number)
            for other in PROGRAMS - {program}:
                del changed[f"{other}.c"]
            place = scratch / program
            subprocess.run([*compiler, *changed.values(), *link[2:], "-o", str(place)], check=True)
            try:
                done = subprocess.run([str(place), "--first"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                      timeout=120, errors="replace")
            except subprocess.TimeoutExpired:
                return 1, "it hangs"
            said = [line for line in done.stdout.splitlines() if line.startswith("BAD")]
            return done.returncode, said[0] if said else f"exit status {done.returncode}"

        for number, (name, file, _, _, program) in enumerate(TABLE, 1):
            if only and not any(word in name for word in only):
                continue
            if program not in PROGRAMS:
                print(f"equivalent  {name}: {EQUIVALENT[name]}")
                continue
            status, said = run(program, number, file)
            caught += status != 0
            survived += status == 0
            print(f"{'caught' if status else 'SURVIVED':11} {name}: {program}: {said}", flush=True)
    print(f"{caught} mutations caught, {survived} not")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
