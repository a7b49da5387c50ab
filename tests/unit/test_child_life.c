/* A child's life, told as words: what happens, what is done, and how long it waits. */
#include "daemon/child_life.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct life_limits limits = {
    .ready_ms = 30000, .stop_ms = 20000, .backoff_ms = 2000, .backoff_max_ms = 60000};

/* What each word of a story does. */
enum { WORD_DIES = LIFE_EVENT_COUNT, WORD_IS_KILLED, WORD_SERVES };
static const struct {
	const char *word;
	int event;
} words[] = {
    {"start", LIFE_START}, {"ready", LIFE_SAID_READY}, {"timer", LIFE_TIMER}, {"stop", LIFE_STOP},
    {"restart", LIFE_RESTART}, {"dies", WORD_DIES}, /* by its own fault */
    {"is-killed", WORD_IS_KILLED}, /* by somebody else */
    {"serves", WORD_SERVES}, /* a minute passes */
};

static const char *const actions[] = {
    [LIFE_DO_NOTHING] = "-",
    [LIFE_DO_SPAWN] = "spawn",
    [LIFE_DO_WAIT] = "wait",
    [LIFE_DO_ASK_STOP] = "ask",
    [LIFE_DO_KILL] = "kill",
    [LIFE_DO_FORGET] = "forget",
};

static const struct {
	const char *name, *story, *told; /* told: action/timer in s (= as it is) for each event */
	enum life_state end;
	int restarts;
} cases[] = {
    {"an ordinary life", "start ready serves stop dies", "spawn/30 -/0 ask/20 forget/0", LIFE_GONE,
        0},
    {"never ready", "start timer is-killed timer", "spawn/30 kill/0 wait/2 spawn/30", LIFE_STARTING,
        1},
    {"backoff doubles to its end",
        "start dies timer dies timer dies timer dies timer dies timer dies timer dies",
        "spawn/30 wait/2 spawn/30 wait/4 spawn/30 wait/8 spawn/30 wait/16 spawn/30 wait/32 "
        "spawn/30 wait/60 spawn/30 wait/60",
        LIFE_BACKOFF, 6},
    {"served, then fails to start: afresh",
        "start dies timer dies timer ready serves dies dies timer",
        "spawn/30 wait/2 spawn/30 wait/4 spawn/30 -/0 spawn/30 wait/2 spawn/30", LIFE_STARTING, 4},
    {"dies after it served", "start ready serves dies ready serves dies",
        "spawn/30 -/0 spawn/30 -/0 spawn/30", LIFE_STARTING, 2},
    {"killed as soon as it is ready",
        "start ready is-killed ready is-killed ready is-killed ready is-killed ready is-killed",
        "spawn/30 -/0 spawn/30 -/0 spawn/30 -/0 spawn/30 -/0 spawn/30 -/0 spawn/30", LIFE_STARTING,
        5},
    {"only fails", "start ready dies ready dies ready dies ready dies timer ready dies",
        "spawn/30 -/0 spawn/30 -/0 spawn/30 -/0 spawn/30 -/0 wait/2 spawn/30 -/0 wait/4",
        LIFE_BACKOFF, 4},
    {"stopped while it waits", "start dies stop", "spawn/30 wait/2 forget/0", LIFE_GONE, 0},
    {"stopped while it starts", "start stop ready dies", "spawn/30 ask/20 -/= forget/0", LIFE_GONE,
        0},
    {"does not stop", "start ready stop timer is-killed", "spawn/30 -/0 ask/20 kill/0 forget/0",
        LIFE_GONE, 0},
    {"stop twice", "start ready stop stop", "spawn/30 -/0 ask/20 -/=", LIFE_STOPPING, 0},
    {"started again with another configuration", "start ready restart dies ready",
        "spawn/30 -/0 ask/20 spawn/30 -/0", LIFE_READY, 1},
    {"wanted again while it stops", "start ready stop start dies",
        "spawn/30 -/0 ask/20 -/= spawn/30", LIFE_STARTING, 1},
    {"not wanted after all", "start ready restart stop dies", "spawn/30 -/0 ask/20 -/= forget/0",
        LIFE_GONE, 0},
    {"a restart cuts the wait short", "start dies restart", "spawn/30 wait/2 spawn/30",
        LIFE_STARTING, 1},
    {"does not stop to be started again", "start ready restart timer is-killed",
        "spawn/30 -/0 ask/20 kill/0 spawn/30", LIFE_STARTING, 1},
    {"wanted all along", "start start ready start", "spawn/30 -/= -/0 -/=", LIFE_READY, 0},
    {"a late ready", "start dies ready", "spawn/30 wait/2 -/=", LIFE_BACKOFF, 0},
};

static int find_word(const char *word)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].word, word) == 0)
			return words[i].event;
	fail_msg("no such word: %s", word);
	return 0;
}

static void tell(struct child_life *life, const char *story, char *told, size_t size)
{
	char copy[256], *rest = copy, *word;
	int64_t now_ms = 1000;
	size_t used = 0;

	snprintf(copy, sizeof(copy), "%s", story);
	told[0] = '\0';
	while ((word = strsep(&rest, " "))) {
		int event = find_word(word);
		enum life_action action;
		char wait[24] = "=";
		int64_t wait_ms = 12345;

		now_ms += event == WORD_SERVES ? 60000 : 10;
		if (event == WORD_SERVES)
			continue;
		if (event == WORD_DIES || event == WORD_IS_KILLED)
			event = (int)life_death_event(life, event == WORD_IS_KILLED, now_ms);
		action = life_step(life, (enum life_event)event, &limits, now_ms, &wait_ms);
		if (wait_ms != LIFE_TIMER_AS_IT_IS)
			snprintf(wait, sizeof(wait), "%d", (int)(wait_ms / 1000));
		used += (size_t)snprintf(
		    told + used, size - used, "%s%s/%s", used ? " " : "", actions[action], wait);
	}
}

static void lives_go_as_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct child_life life = CHILD_LIFE_INIT;
		char told[512];

		tell(&life, cases[i].story, told, sizeof(told));
		if (strcmp(told, cases[i].told) != 0 || life.state != cases[i].end ||
		    life.restarts != cases[i].restarts)
			fail_msg("%s: %s, %s, %d restarts", cases[i].name, told,
			    life_state_name(life.state), (int)life.restarts);
	}
}

/* From every state a stop leads to gone, whatever comes between: nothing hangs. */
static void every_stop_ends(void **state)
{
	(void)state;
	for (int from = 0; from < LIFE_STATE_COUNT; from++) {
		struct child_life life = {.state = (enum life_state)from};
		int64_t wait_ms;

		life_step(&life, LIFE_STOP, &limits, 0, &wait_ms);
		if (life.state != LIFE_GONE)
			life_step(&life, LIFE_TIMER, &limits, 0, &wait_ms);
		if (life.state != LIFE_GONE)
			life_step(&life, life_death_event(&life, true, 0), &limits, 0, &wait_ms);
		assert_int_equal(life.state, LIFE_GONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lives_go_as_told),
	    cmocka_unit_test(every_stop_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
