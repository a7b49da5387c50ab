#include "daemon/turns.h"

void turns_init(struct turns *turns, size_t limit, size_t queue_limit)
{
	*turns = (struct turns){.limit = limit, .queue_limit = queue_limit};
	TAILQ_INIT(&turns->queue);
}

/* Behind its client's own, and not before those that have begun. */
static uint64_t round_for(const struct turns *turns, int64_t client)
{
	const struct turn *turn;

	LIST_FOREACH(turn, &turns->clients[(uint64_t)client % TURN_BUCKETS], same_bucket)
	if (turn->client == client)
		return turn->round + 1;
	return turns->round;
}

/* Behind those of its round: a client that comes new is near the head, one with many near the end.
 */
static void insert(struct turns *turns, struct turn *turn)
{
	struct turn *at = TAILQ_LAST(&turns->queue, turn_list);

	if (!at || at->round <= turn->round) {
		TAILQ_INSERT_TAIL(&turns->queue, turn, link);
	} else {
		at = TAILQ_FIRST(&turns->queue);
		while (at->round <= turn->round)
			at = TAILQ_NEXT(at, link);
		TAILQ_INSERT_BEFORE(at, turn, link);
	}
	LIST_INSERT_HEAD(&turns->clients[(uint64_t)turn->client % TURN_BUCKETS], turn, same_bucket);
	turns->waiting++;
}

struct turn *turns_wait(struct turns *turns, struct turn *turn, int64_t client)
{
	size_t free = turns->limit > turns->under_way ? turns->limit - turns->under_way : 0;
	struct turn *last;

	turn->client = client;
	turn->round = round_for(turns, client);
	insert(turns, turn);
	if (turns->waiting <= turns->queue_limit + free)
		return NULL;
	last = TAILQ_LAST(&turns->queue, turn_list);
	turns_leave(turns, last);
	return last;
}

bool turns_take(struct turns *turns, struct turn *turn, int64_t client)
{
	if (turns->waiting > 0 || turns->under_way >= turns->limit)
		return false;
	turn->client = client;
	turn->round = turns->round;
	turns->under_way++;
	return true;
}

struct turn *turns_next(struct turns *turns)
{
	struct turn *turn = TAILQ_FIRST(&turns->queue);

	if (!turn || turns->under_way >= turns->limit)
		return NULL;
	turns_leave(turns, turn);
	turns->under_way++;
	turns->round = turn->round;
	return turn;
}

void turns_leave(struct turns *turns, struct turn *turn)
{
	TAILQ_REMOVE(&turns->queue, turn, link);
	LIST_REMOVE(turn, same_bucket);
	turns->waiting--;
}

void turns_end(struct turns *turns)
{
	turns->under_way--;
}
