#include "bench/eviction_policies.h"

#include <math.h>
#include <stdlib.h>

#include "common/bytes.h"

enum { NONE = UINT32_MAX };

static void forget(const struct trace *trace)
{
	for (size_t i = 0; i < trace->item_count; i++) {
		struct trace_item *item = &trace->items[i];

		item->priority = 0;
		item->uses = item->place = 0;
		item->previous = item->next = NONE;
		item->cached = false;
	}
}

static void count_hit(struct policy_outcome *outcome, const struct trace_item *item)
{
	outcome->hits++;
	outcome->saved_s += item->cost_s;
}

/* ---- a ring: LRU and CLOCK ---- */

struct ring {
	struct trace_item *items;
	uint32_t head; /* CLOCK: the hand */
	uint64_t used;
};

/* Before the head, thus at the end. */
static void ring_add(struct ring *ring, uint32_t at)
{
	struct trace_item *item = &ring->items[at];

	if (ring->head == NONE) {
		item->previous = item->next = ring->head = at;
		return;
	}
	item->next = ring->head;
	item->previous = ring->items[ring->head].previous;
	ring->items[item->previous].next = at;
	ring->items[item->next].previous = at;
}

static void ring_remove(struct ring *ring, uint32_t at)
{
	struct trace_item *item = &ring->items[at];

	ring->items[item->previous].next = item->next;
	ring->items[item->next].previous = item->previous;
	if (ring->head == at)
		ring->head = item->next != at ? item->next : NONE;
}

static void ring_evict(struct ring *ring, uint32_t at)
{
	ring->used -= ring->items[at].bytes;
	ring->items[at].cached = false;
	ring_remove(ring, at);
}

static struct policy_outcome run_lru(const struct trace *trace, const struct policy_room *room)
{
	struct ring ring = {.items = trace->items, .head = NONE};
	struct policy_outcome outcome = {0};

	forget(trace);
	for (size_t n = 0; n < trace->request_count; n++) {
		struct trace_item *item = &trace->items[trace->requests[n]];

		if (item->cached) {
			count_hit(&outcome, item);
			ring_remove(&ring, trace->requests[n]);
		} else if (item->bytes > room->entry_max) {
			continue;
		} else {
			ring.used += item->bytes;
			item->cached = true;
		}
		ring_add(&ring, trace->requests[n]);
		while (ring.used > room->bytes)
			ring_evict(&ring, ring.head);
	}
	return outcome;
}

/*
 * CLOCK with cost: an entry has as many turns of the hand before it as its cost per byte is worth
 * in halves of what is usual, at most 16, and again as many for each of its first seven uses.
 */
static uint32_t turns_of(const struct trace_item *item, double usual)
{
	double turns = ceil(2 * item->cost_s / (double)item->bytes / usual);

	return (uint32_t)fmin(fmax(turns, 1), 16) * (1 + (item->uses < 7 ? item->uses : 7));
}

static struct policy_outcome run_clock(const struct trace *trace, const struct policy_room *room)
{
	struct ring ring = {.items = trace->items, .head = NONE};
	struct policy_outcome outcome = {0};
	double cost_s = 0, bytes = 0; /* of what was stored, for what is usual */

	forget(trace);
	for (size_t n = 0; n < trace->request_count; n++) {
		struct trace_item *item = &trace->items[trace->requests[n]];

		if (item->cached) {
			count_hit(&outcome, item);
			item->uses++;
			item->place = turns_of(item, cost_s / bytes);
			continue;
		}
		if (item->bytes > room->entry_max)
			continue;
		cost_s += item->cost_s;
		bytes += (double)item->bytes;
		while (ring.used + item->bytes > room->bytes && ring.head != NONE) {
			struct trace_item *at = &trace->items[ring.head];

			if (at->place-- > 0)
				ring.head = at->next;
			else
				ring_evict(&ring, ring.head);
		}
		ring.used += item->bytes;
		item->cached = true;
		item->uses = 0;
		item->place = turns_of(item, cost_s / bytes);
		ring_add(&ring, trace->requests[n]);
	}
	return outcome;
}

/* ---- GDSF: a heap by age + uses × cost / size, where the age is the last victim's ---- */

struct heap {
	struct trace_item *items;
	uint32_t *at;
	uint32_t count;
};

static void heap_set(struct heap *heap, uint32_t place, uint32_t index)
{
	heap->at[place] = index;
	heap->items[index].place = place;
}

static double heap_priority(const struct heap *heap, uint32_t place)
{
	return heap->items[heap->at[place]].priority;
}

static void heap_move(struct heap *heap, uint32_t place)
{
	uint32_t index = heap->at[place];
	double priority = heap->items[index].priority;

	while (place > 0 && heap_priority(heap, (place - 1) / 2) > priority) {
		heap_set(heap, place, heap->at[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	for (;;) {
		uint32_t child = 2 * place + 1;

		if (child + 1 < heap->count &&
		    heap_priority(heap, child + 1) < heap_priority(heap, child))
			child++;
		if (child >= heap->count || heap_priority(heap, child) >= priority)
			break;
		heap_set(heap, place, heap->at[child]);
		place = child;
	}
	heap_set(heap, place, index);
}

static uint32_t heap_pop(struct heap *heap)
{
	uint32_t least = heap->at[0];

	heap->count--;
	if (heap->count > 0) {
		heap_set(heap, 0, heap->at[heap->count]);
		heap_move(heap, 0);
	}
	return least;
}

static struct policy_outcome run_gdsf(const struct trace *trace, const struct policy_room *room)
{
	struct heap heap = {.items = trace->items};
	struct policy_outcome outcome = {0};
	uint64_t used = 0;
	double age = 0;

	heap.at = must_alloc(trace->item_count * sizeof(*heap.at));
	forget(trace);
	for (size_t n = 0; n < trace->request_count; n++) {
		struct trace_item *item = &trace->items[trace->requests[n]];

		if (item->cached) {
			count_hit(&outcome, item);
			item->uses++;
		} else if (item->bytes > room->entry_max) {
			continue;
		} else {
			while (used + item->bytes > room->bytes) {
				struct trace_item *least = &trace->items[heap_pop(&heap)];

				age = least->priority;
				least->cached = false;
				used -= least->bytes;
			}
			used += item->bytes;
			item->cached = true;
			item->uses = 1;
			heap_set(&heap, heap.count++, trace->requests[n]);
		}
		item->priority = age + item->uses * item->cost_s / (double)item->bytes;
		heap_move(&heap, item->place);
	}
	free(heap.at);
	return outcome;
}

static struct policy_outcome run_unlimited(
    const struct trace *trace, const struct policy_room *room)
{
	struct policy_outcome outcome = {0};

	(void)room;
	forget(trace);
	for (size_t n = 0; n < trace->request_count; n++) {
		struct trace_item *item = &trace->items[trace->requests[n]];

		if (item->cached)
			count_hit(&outcome, item);
		item->cached = true;
	}
	return outcome;
}

const struct policy policies[] = {
    {"LRU", run_lru},
    {"CLOCK with cost", run_clock},
    {"GDSF", run_gdsf},
    {"unlimited", run_unlimited},
    {0},
};
