/*
 * Every store to and load from shared memory: relaxed atomics, so that a reader beside a
 * writer is no data race by the C standard. Order comes from the fences in the callers.
 * A store has its crash point built in. Elsewhere only what is not published yet is stored
 * plainly (constants, names), and clocks and flush generations by atomic read-modify-write.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "shm/crash_point.h"

#define WORDS_LOAD(object)         atomic_load_explicit(&(object), memory_order_relaxed)
#define WORDS_LOAD_ACQUIRE(object) atomic_load_explicit(&(object), memory_order_acquire)
#define WORDS_STORE_ORDERED(object, value, order)                   \
	do {                                                        \
		atomic_store_explicit(&(object), (value), (order)); \
		CRASH_POINT();                                      \
	} while (0)
#define WORDS_STORE(object, value)   WORDS_STORE_ORDERED(object, value, memory_order_relaxed)
#define WORDS_PUBLISH(object, value) WORDS_STORE_ORDERED(object, value, memory_order_release)

static inline size_t words_round(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

/* `from` is read in whole words: callers reserve words_round(size) there. */
static inline void words_copy_out(void *to, const _Atomic uint64_t *from, size_t size)
{
	char *at = to;
	uint64_t word;

	for (; size >= sizeof(word); size -= sizeof(word), at += sizeof(word), from++) {
		word = WORDS_LOAD(*from);
		memcpy(at, &word, sizeof(word));
	}
	if (size > 0) {
		word = WORDS_LOAD(*from);
		memcpy(at, &word, size);
	}
}

/* The last word is filled up with zeros. */
static inline void words_copy_in(_Atomic uint64_t *to, const void *from, size_t size)
{
	const char *at = from;
	uint64_t word;

	for (; size >= sizeof(word); size -= sizeof(word), at += sizeof(word), to++) {
		memcpy(&word, at, sizeof(word));
		WORDS_STORE(*to, word);
	}
	if (size > 0) {
		word = 0;
		memcpy(&word, at, size);
		WORDS_STORE(*to, word);
	}
}

static inline bool words_equal(const _Atomic uint64_t *shared, const void *bytes, size_t size)
{
	const char *at = bytes;
	uint64_t here, there;

	for (; size >= sizeof(here); size -= sizeof(here), at += sizeof(here), shared++) {
		there = WORDS_LOAD(*shared);
		memcpy(&here, at, sizeof(here));
		if (here != there)
			return false;
	}
	there = size > 0 ? WORDS_LOAD(*shared) : 0;
	return size == 0 || memcmp(&there, at, size) == 0;
}
