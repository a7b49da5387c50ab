/*
 * One shard: the robust lock, the sequence, a put that replaces, the repair, and a reader; any
 * of them may die between any two steps (but the reader, who leaves nothing behind).
 *
 * What is modelled: two slots for one key, with a state, a generation and a value of two halves
 * (an extent that can be half written); a chain of which only head and what comes behind are
 * kept; the count of live slots as an example of what is derived.
 *
 * What must hold:
 *  - a reader never gives a value whose halves do not belong together, nor one never put;
 *  - an even sequence on a free lock: the chain, the count and the slots agree;
 *  - whoever has the lock and starts to write finds the shard whole;
 *  - of two entries with the key, the newer is the one that stays;
 *  - the last put that came to its end is found by a reader who starts afterwards;
 *  - what a reader has found, no reader who starts afterwards finds replaced by something older.
 *
 * -DBROKEN=n leaves out one thing that is needed; each must fail.
 *  1: repair is not done            2: lock() does not ask the sequence
 *  3: the reader does not look at the generation (nor at the checksum)
 *  4: repair takes the older first  5: LIVE before the value is written
 *  6: repair without an odd sequence (with locks made again, as prepare does)
 *  7: repair takes the slots in their order, and the newer replaces the older when it comes
 *  8: LIVE before it is linked
 */
#ifndef BROKEN
#define BROKEN 0
#endif
#ifndef WRITERS
#define WRITERS 2
#endif
#define PUTS 1 /* of each writer */
#ifndef GETS
#define GETS 2
#endif
#ifndef DEATHS
#define DEATHS 2
#endif
#define NONE 2 /* no slot */
#define NOBODY 255

mtype = { FREE, WRITING, LIVE };

byte owner = NOBODY;      /* of the lock */
bool owner_died = false;  /* what the robust lock tells the next one */
byte serial = 1;
bit odd = 0;              /* the sequence's lowest bit */
byte sequence = 0;        /* it grows with every even */

mtype state[3];
byte generation[3];
byte low[3], high[3];     /* the halves of the value: the generation that wrote them */
byte next[3];
byte head = NONE;
byte count = 0;           /* derived: live slots */

byte deaths = 0;
byte committed = 0;       /* the generation of the last put that returned */
byte newest = 0;          /* the generation that was last made LIVE */
byte put_ever = 0;        /* the last generation that was ever begun */
byte seen = 0;            /* the last generation that a reader found */
bool remade = false;      /* whether prepare made the lock again */

/* What the lock's new owner must find, and what an even sequence promises. */
#define COUNTED ((state[0] == LIVE) + (state[1] == LIVE))
#define ONE_CHAIN ( \
	(count == COUNTED) && \
	(COUNTED <= 1) && \
	((COUNTED == 0 && head == NONE) || \
	 (state[0] == LIVE && head == 0 && next[0] == NONE) || \
	 (state[1] == LIVE && head == 1 && next[1] == NONE)))
#define HALVES_AGREE ( \
	(head == NONE || generation[head] == newest) && \
	(state[0] != LIVE || (low[0] == generation[0] && high[0] == generation[0])) && \
	(state[1] != LIVE || (low[1] == generation[1] && high[1] == generation[1])))

inline begin() { odd = 1 }
inline end() { d_step { odd = 0; sequence = (sequence + 1) % 8 } }

/* Death: the process is gone; the lock it had is marked, by the kernel. */
inline may_die() {
	if
	:: deaths < DEATHS -> d_step {
		deaths++;
		if
		:: owner == _pid -> owner = NOBODY; owner_died = true
		:: else
		fi
	   };
	   goto dead
	:: true
	fi
}

/* Rebuilds everything from the LIVE slots. */
inline repair() {
#if BROKEN == 1
	skip
#else
#if BROKEN != 6
	begin();
#endif
	may_die();
	head = NONE; may_die();
	count = 0; may_die();
	/* The newest first: where a death left two, the older is never linked. */
	at = 0;
#if BROKEN == 4
	if
	:: generation[1] < generation[0] -> at = 1
	:: else
	fi;
#elif BROKEN != 7
	if
	:: generation[1] > generation[0] -> at = 1
	:: else
	fi;
#endif
	visited = 0;
	do
	:: visited < 2 ->
		if
		:: state[at] != LIVE -> state[at] = FREE
		:: state[at] == LIVE && head != NONE ->
#if BROKEN == 7
			if
			:: generation[head] > generation[at] -> state[at] = FREE
			:: else -> state[head] = FREE; may_die(); next[at] = NONE; may_die(); head = at
			fi
#else
			state[at] = FREE /* a twin */
#endif
		:: else -> next[at] = NONE; may_die(); head = at; may_die(); count = count + 1
		fi;
		may_die();
		at = 1 - at;
		visited++
	:: else -> break
	od;
	may_die();
	end();
#endif
}

inline lock() {
	atomic {
		owner == NOBODY -> owner = _pid; told = owner_died; owner_died = false
	}
	may_die_locked();
	if
#if BROKEN == 2
	:: told -> repair()
#else
	:: told || odd == 1 -> repair()
#endif
	:: else
	fi;
	assert(ONE_CHAIN && HALVES_AGREE)
}

/* Whoever dies before marking the lock consistent leaves it told again: the same as may_die. */
inline may_die_locked() { may_die() }

inline unlock() { owner = NOBODY }

proctype writer() {
	byte at, visited, slot, older, puts = 0, mine;
	bool told;

	do
	:: puts < PUTS ->
		lock();
		begin(); may_die();
		if
		:: state[0] != LIVE -> slot = 0; older = 1
		:: else -> slot = 1; older = 0
		fi;
		if
		:: state[older] != LIVE -> older = NONE
		:: else
		fi;
		d_step { serial++; mine = serial; put_ever = mine };
		may_die();
#if BROKEN == 5
		d_step { state[slot] = LIVE; generation[slot] = mine };
#else
		d_step { state[slot] = WRITING; generation[slot] = mine };
#endif
		may_die();
		low[slot] = mine; may_die();
		high[slot] = mine; may_die();
#if BROKEN == 8
		d_step { state[slot] = LIVE; newest = mine }; may_die();
#endif
		next[slot] = head; may_die();
		head = slot; may_die();
#if BROKEN != 8
		d_step { state[slot] = LIVE; newest = mine }; may_die();
#endif
		count = count + 1; may_die();
		if
		:: older != NONE ->
			state[older] = FREE; may_die();
			next[slot] = NONE; may_die();
			count = count - 1; may_die()
		:: else
		fi;
		end(); may_die();
		d_step { committed = mine };
		unlock();
		puts++
	:: else -> break
	od;
dead:
	skip
}

/* The next supervisor's checker: when all are gone, it makes the lock again, and repairs. */
proctype prepare() {
	byte at, visited;
	bool told;

	(_nr_pr == 1 + 1 && owner == NOBODY) || true; /* at any moment at which nobody holds the lock */
	atomic {
		owner == NOBODY && !remade -> remade = true; owner_died = false; owner = _pid
	}
	/* The lock is new: only the sequence knows what happened before. */
	if
#if BROKEN == 2
	:: true
#else
	:: odd == 1 -> repair()
	:: else
#endif
	fi;
	assert(ONE_CHAIN && HALVES_AGREE);
	/* It repairs whatever it finds: and it, too, may die at it, and be started once more with
	 * the lock made again. */
	repair();
	unlock();
	goto done;
dead:
	skip;
	d_step { owner_died = false }; /* made again: the lock says nothing */
done:
	skip
}

/* Up to two looks, as a get has four; and the next get. */
proctype reader() {
	byte at, gets = 0, tries = 0, before, seen_generation, first, second, hops, floor;
	bool ended_before;

get:
	tries = 0;
	d_step { floor = (seen > committed -> seen : committed) };
again:
	before = sequence;
	ended_before = (odd == 0);
	at = head;
	hops = 0;
	do
	:: at != NONE && hops < 2 ->
		seen_generation = generation[at];
		if
		:: state[at] == LIVE && seen_generation == generation[at] ->
			first = low[at];
			second = high[at];
#if BROKEN != 3
			if
			:: state[at] == LIVE && generation[at] == seen_generation
			:: else -> goto changed
			fi;
#endif
			assert(first == second && first == seen_generation && first <= put_ever);
#if BROKEN != 3
			assert(first >= floor);
#endif
			d_step { seen = (first > seen -> first : seen) };
			goto done
		:: state[at] == WRITING -> at = next[at]; hops++ /* what it replaces */
		:: else -> goto changed
		fi
	:: else -> break
	od;
	/* Absent, for sure: then no put had come to its end before. */
	if
	:: ended_before && odd == 0 && before == sequence -> assert(floor == 0)
	:: else
	fi;
changed:
	tries++;
	if
	:: tries < 2 -> goto again
	:: else
	fi;
done:
	gets++;
	if
	:: gets < GETS -> goto get
	:: else
	fi
}

init {
	byte i;

	d_step {
		for (i : 0 .. 2) {
			state[i] = FREE; generation[i] = 0; low[i] = 0; high[i] = 0; next[i] = NONE
		}
	};
	atomic {
		for (i : 1 .. WRITERS) {
			run writer()
		}
		run reader();
		run prepare()
	}
}
