#include "text/linking_graph.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>

#include "common/bytes.h"
#include "text/identifier.h"
#include "text/tokens.h"

/* A key that more tables have than this joins none of them in particular. */
enum { SHARERS_MAX = 12, EDGES_MAX = 1 << 19 };

struct edge {
	uint32_t from, to;
	bool refers, referred; /* from has the key of to, as far as can be told; to that of from */
};

struct linking_graph {
	size_t table_count;
	uint32_t *first; /* table_count + 1 places in neighbours */
	struct linking_neighbour *neighbours;
	size_t *first_column; /* of each table, in is_key */
	bool *is_key;
};

/* A table or a column by the hash of its name's stems, or of the last of them; hashes that collide
 * make a guess worse, no more. */
struct named {
	uint64_t hash;
	uint32_t table;
	uint32_t column; /* of a table's name: how many of its words are left out */
	bool is_key; /* its name says so */
};

struct named_list {
	struct named *items;
	size_t count, capacity;
};

struct guessing {
	const struct snapshot *snapshot;
	struct linking_graph *graph;
	struct named_list tables, columns;
	struct named_list ends; /* of columns' names */
	struct edge *edges;
	size_t edge_count, edge_capacity;
	struct buffer stem, name; /* of the name in hand: the stems of its words */
	size_t ends_at[IDENTIFIER_WORDS_MAX + 1]; /* in it, from 0 on */
};

static void add_edge(struct guessing *guessing, size_t from, size_t to, bool refers)
{
	if (from == to || guessing->edge_count + 2 > EDGES_MAX)
		return;
	if (guessing->edge_count + 2 > guessing->edge_capacity) {
		guessing->edge_capacity = guessing->edge_capacity * 2 + 256;
		guessing->edges = must_realloc(
		    guessing->edges, guessing->edge_capacity * sizeof(*guessing->edges));
	}
	guessing->edges[guessing->edge_count++] =
	    (struct edge){(uint32_t)from, (uint32_t)to, refers, false};
	guessing->edges[guessing->edge_count++] =
	    (struct edge){(uint32_t)to, (uint32_t)from, false, refers};
}

static void set_key(struct guessing *guessing, size_t table, size_t column, bool is_key)
{
	guessing->graph->is_key[guessing->graph->first_column[table] + column] |= is_key;
}

static void add_named(struct named_list *list, struct named named)
{
	if (list->count == list->capacity) {
		list->capacity = list->capacity * 2 + 256;
		list->items = must_realloc(list->items, list->capacity * sizeof(*list->items));
	}
	list->items[list->count++] = named;
}

static int compare_named(const void *a, const void *b)
{
	const struct named *left = a, *right = b;

	if (left->hash != right->hash)
		return left->hash < right->hash ? -1 : 1;
	if (left->column != right->column)
		return left->column < right->column ? -1 : 1;
	return (left->table > right->table) - (left->table < right->table);
}

static void sort_named(struct named_list *list)
{
	if (list->count > 0)
		qsort(list->items, list->count, sizeof(struct named), compare_named);
}

/* The word at place `at` of the name, and no more behind it. */
static void put_word(struct guessing *guessing, size_t at, struct bytes word)
{
	const char *expanded = identifier_expand(word);

	token_stem(expanded ? bytes_of_string(expanded) : word, &guessing->stem);
	guessing->name.size = guessing->ends_at[at];
	buffer_append_bytes(&guessing->name, bytes_of_buffer(&guessing->stem));
	guessing->ends_at[at + 1] = guessing->name.size;
}

static void put_words(struct guessing *guessing, const struct bytes *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		put_word(guessing, i, words[i]);
}

/* Of the words of the name from one on, up to another, without their ends: customers, customer and
 * cust are one. No separators, so that customerid and customer_id are one as well. */
static uint64_t hash_words(const struct guessing *guessing, size_t from, size_t to)
{
	size_t at = guessing->ends_at[from];

	return XXH3_64bits(guessing->name.data + at, guessing->ends_at[to] - at);
}

/* The first of that hash, or NULL. */
static const struct named *find_named(const struct named_list *list, uint64_t hash)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list->items[middle].hash < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return low < list->count && list->items[low].hash == hash ? &list->items[low] : NULL;
}

/* The table of that name; for a key also the only one whose name ends so; or NULL. */
static const struct named *find_table(const struct guessing *guessing, uint64_t hash, bool is_key)
{
	const struct named *found = find_named(&guessing->tables, hash);
	const struct named *end = guessing->tables.items + guessing->tables.count;

	if (!found || found->column == 0)
		return found;
	return is_key && (found + 1 == end || found[1].hash != hash) ? found : NULL;
}

static bool is_key_word(struct bytes word)
{
	static const char *const words[] = {"id", "ids", "code", "key", "no", "nr", "num", "number",
	    "uuid", "guid", "fk", "ref", "abbr"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (word.size == strlen(words[i]) &&
		    strncasecmp(word.data, words[i], word.size) == 0)
			return true;
	return false;
}

/* customerid, written in one: what stands before the key word. */
static struct bytes without_key_end(struct bytes word)
{
	static const char *const ends[] = {"id", "code", "no"};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t size = strlen(ends[i]);

		if (word.size > size + 2 &&
		    strncasecmp(word.data + word.size - size, ends[i], size) == 0)
			return bytes_of(word.data, word.size - size);
	}
	return BYTES_NONE;
}

/* home_team_id: a table home_team, or else team, by the first words of the name in hand. False:
 * there is none. */
static bool join_named_table(
    struct guessing *guessing, size_t table, size_t column, size_t count, bool is_key)
{
	bool is_own = false;

	for (size_t i = 0; i < count; i++) {
		const struct named *found =
		    find_table(guessing, hash_words(guessing, i, count), is_key);

		if (found && found->table != table) {
			add_edge(guessing, table, found->table, true);
			set_key(guessing, table, column, true);
			return true;
		}
		is_own |= found && i == 0;
	}
	return is_own;
}

/* A key of one common word, as id, says nothing of another table. */
static bool is_general(struct bytes word)
{
	static const char *const words[] = {
	    "name", "title", "type", "date", "description", "status", "value", "text"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (word.size == strlen(words[i]) &&
		    strncasecmp(word.data, words[i], word.size) == 0)
			return true;
	return is_key_word(word);
}

/* What no table is named after may be shared: u_id, and target_u_id. */
static void add_shared(
    struct guessing *guessing, struct named column, const struct bytes *words, size_t count)
{
	if (count > 1 || !is_general(words[0]))
		add_named(&guessing->columns, column);
	for (size_t i = 1; i < count; i++) {
		if (i + 1 == count && is_general(words[i]))
			break;
		column.hash = hash_words(guessing, i, count);
		add_named(&guessing->ends, column);
	}
}

static void guess_column(struct guessing *guessing, size_t table, size_t column)
{
	const char *name = guessing->snapshot->tables[table].columns[column].name;
	struct bytes words[IDENTIFIER_WORDS_MAX];
	size_t count = identifier_split(bytes_of_string(name), words);
	struct named named = {.table = (uint32_t)table, .column = (uint32_t)column};
	struct bytes before, last;
	bool is_named = false;

	if (count == 0)
		return;
	last = words[count - 1];
	before = without_key_end(last);
	named.is_key = is_key_word(last) || before.data;
	set_key(guessing, table, column, named.is_key);
	put_words(guessing, words, count);
	named.hash = hash_words(guessing, 0, count);
	/* team_id, team_id_winner */
	for (size_t i = 1; i < count; i++)
		if (is_key_word(words[i]))
			is_named |= join_named_table(guessing, table, column, i, true);
	if (before.data)
		put_word(guessing, count - 1, before);
	is_named |= join_named_table(guessing, table, column, count, named.is_key);
	if (before.data)
		put_word(guessing, count - 1, last);
	if (!is_named)
		add_shared(guessing, named, words, count);
}

static void guess_tables(struct guessing *guessing)
{
	for (size_t i = 0; i < guessing->snapshot->table_count; i++) {
		struct bytes words[IDENTIFIER_WORDS_MAX];
		size_t count =
		    identifier_split(bytes_of_string(guessing->snapshot->tables[i].name), words);

		put_words(guessing, words, count);
		for (size_t k = 0; k < count; k++)
			add_named(&guessing->tables,
			    (struct named){.hash = hash_words(guessing, k, count),
			        .table = (uint32_t)i,
			        .column = (uint32_t)k});
	}
	sort_named(&guessing->tables);
}

/* The tables that share a column are joined with the one that it leads, else, where it is a key,
 * with each other. Sorted: what leads a table comes first. */
static void join_sharers(struct guessing *guessing, const struct named *sharers, size_t count)
{
	bool is_led = sharers[0].column == 0;

	for (size_t i = 0; i < count; i++) {
		if (is_led) {
			add_edge(guessing, sharers[i].table, sharers[0].table, true);
			set_key(guessing, sharers[i].table, sharers[i].column, true);
		}
		for (size_t k = i + 1; !is_led && sharers[i].is_key && k < count; k++)
			add_edge(guessing, sharers[i].table, sharers[k].table, false);
	}
}

static void guess_shared(struct guessing *guessing)
{
	struct named_list *columns = &guessing->columns;

	sort_named(columns);
	for (size_t i = 0, end; i < columns->count; i = end) {
		for (end = i + 1; end < columns->count; end++)
			if (columns->items[end].hash != columns->items[i].hash)
				break;
		if (end - i > 1 && end - i <= SHARERS_MAX)
			join_sharers(guessing, columns->items + i, end - i);
	}
	for (size_t i = 0; i < guessing->ends.count; i++) {
		const struct named *end = &guessing->ends.items[i];
		const struct named *found = find_named(columns, end->hash);

		if (!found || found->column != 0)
			continue;
		add_edge(guessing, end->table, found->table, true);
		set_key(guessing, end->table, end->column, true);
	}
}

static void add_declared(struct guessing *guessing, size_t table)
{
	const struct snapshot *snapshot = guessing->snapshot;

	for (size_t i = 0; i < snapshot->tables[table].foreign_key_count; i++) {
		const struct snapshot_foreign_key *key = &snapshot->tables[table].foreign_keys[i];
		const struct snapshot_table *other =
		    snapshot_find_table(snapshot, key->ref_schema, key->ref_table);

		if (other)
			add_edge(guessing, table, (size_t)(other - snapshot->tables), true);
		for (size_t k = 0; k < key->column_count; k++)
			set_key(guessing, table, key->columns[k], true);
	}
}

static int compare_edges(const void *a, const void *b)
{
	const struct edge *left = a, *right = b;

	if (left->from != right->from)
		return left->from < right->from ? -1 : 1;
	return (left->to > right->to) - (left->to < right->to);
}

static void collect(const struct guessing *guessing, struct linking_graph *graph)
{
	const struct edge *edges = guessing->edges;
	uint32_t count = 0;
	size_t at = 0;

	graph->first = must_zalloc((graph->table_count + 1) * sizeof(*graph->first));
	graph->neighbours = must_alloc((guessing->edge_count + 1) * sizeof(*graph->neighbours));
	for (size_t i = 0; i < graph->table_count; i++) {
		graph->first[i] = count;
		for (; at < guessing->edge_count && edges[at].from == i; at++) {
			if (at == 0 || compare_edges(&edges[at], &edges[at - 1]) != 0)
				graph->neighbours[count++] =
				    (struct linking_neighbour){.table = edges[at].to};
			graph->neighbours[count - 1].refers |= edges[at].refers;
			graph->neighbours[count - 1].referred |= edges[at].referred;
		}
	}
	graph->first[graph->table_count] = count;
}

static struct linking_graph *new_graph(const struct snapshot *snapshot)
{
	struct linking_graph *graph = must_zalloc(sizeof(*graph));
	size_t columns = 0;

	graph->table_count = snapshot->table_count;
	graph->first_column = must_alloc((graph->table_count + 1) * sizeof(*graph->first_column));
	for (size_t i = 0; i < snapshot->table_count; i++) {
		graph->first_column[i] = columns;
		columns += snapshot->tables[i].column_count;
	}
	graph->first_column[graph->table_count] = columns;
	graph->is_key = must_zalloc(columns + 1);
	return graph;
}

struct linking_graph *linking_graph_new(const struct snapshot *snapshot)
{
	struct linking_graph *graph = new_graph(snapshot);
	struct guessing guessing = {.snapshot = snapshot, .graph = graph};

	guess_tables(&guessing);
	for (size_t i = 0; i < snapshot->table_count; i++) {
		add_declared(&guessing, i);
		for (size_t k = 0; k < snapshot->tables[i].column_count; k++)
			if (!linking_graph_is_key(graph, i, k))
				guess_column(&guessing, i, k);
	}
	guess_shared(&guessing);
	if (guessing.edge_count > 0)
		qsort(guessing.edges, guessing.edge_count, sizeof(struct edge), compare_edges);
	collect(&guessing, graph);
	free(guessing.tables.items);
	free(guessing.columns.items);
	free(guessing.ends.items);
	free(guessing.edges);
	buffer_deinit(&guessing.stem);
	buffer_deinit(&guessing.name);
	return graph;
}

void linking_graph_free(struct linking_graph *graph)
{
	if (!graph)
		return;
	free(graph->first);
	free(graph->neighbours);
	free(graph->first_column);
	free(graph->is_key);
	free(graph);
}

const struct linking_neighbour *linking_graph_neighbours(
    const struct linking_graph *graph, size_t table, size_t *ret_count)
{
	*ret_count = graph->first[table + 1] - graph->first[table];
	return graph->neighbours + graph->first[table];
}

bool linking_graph_is_key(const struct linking_graph *graph, size_t table, size_t column)
{
	return graph->is_key[graph->first_column[table] + column];
}
