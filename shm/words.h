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

#define WORDS_LOAD_ORDERED(object, order) (LOAD_POINT(), atomic_load_explicit(&(object), (order)))
#define WORDS_LOAD(object)                WORDS_LOAD_ORDERED(object, memory_order_relaxed)
#define WORDS_LOAD_ACQUIRE(object)        WORDS_LOAD_ORDERED(object, memory_order_acquire)
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

/*
 * `from` is read in whole words: callers reserve words_round(size) there. The loops' words are
 * variables of their own: one whose address is needed elsewhere would go through the stack.
 */
static inline void words_copy_out(void *to, const _Atomic uint64_t *from, size_t size)
{
	char *at = to;
	size_t words = size / sizeof(uint64_t);

#pragma GCC unroll 8
	for (size_t i = 0; i < words; i++) {
		uint64_t word = WORDS_LOAD(from[i]);

		memcpy(at + i * sizeof(word), &word, sizeof(word));
	}
	if (size % sizeof(uint64_t) > 0) {
		uint64_t last = WORDS_LOAD(from[words]);

		memcpy(at + words * sizeof(last), &last, size % sizeof(last));
	}
}

/* The last word is filled up with zeros. */
static inline void words_copy_in(_Atomic uint64_t *to, const void *from, size_t size)
{
	const char *at = from;
	size_t words = size / sizeof(uint64_t);

#pragma GCC unroll 8
	for (size_t i = 0; i < words; i++) {
		uint64_t word;

		memcpy(&word, at + i * sizeof(word), sizeof(word));
		WORDS_STORE(to[i], word);
	}
	if (size % sizeof(uint64_t) > 0) {
		uint64_t last = 0;

		memcpy(&last, at + words * sizeof(last), size % sizeof(last));
		WORDS_STORE(to[words], last);
	}
}

static inline bool words_equal(const _Atomic uint64_t *shared, const void *bytes, size_t size)
{
	const char *at = bytes;
	size_t words = size / sizeof(uint64_t);
	uint64_t last;

	for (size_t i = 0; i < words; i++) {
		uint64_t word;

		memcpy(&word, at + i * sizeof(word), sizeof(word));
		if (WORDS_LOAD(shared[i]) != word)
			return false;
	}
	if (size % sizeof(last) == 0)
		return true;
	last = WORDS_LOAD(shared[words]);
	return memcmp(&last, at + words * sizeof(last), size % sizeof(last)) == 0;
}
