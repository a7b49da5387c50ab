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
};

struct linking_graph {
	size_t table_count;
	uint32_t *first; /* table_count + 1 places in neighbours */
	uint32_t *neighbours;
};

/* A table or a column by the hash of its name's stems; hashes that collide make a guess worse,
 * no more. */
struct named {
	uint64_t hash;
	uint32_t table;
	uint32_t column;
};

struct named_list {
	struct named *items;
	size_t count, capacity;
};

struct guessing {
	const struct snapshot *snapshot;
	struct named_list tables, columns;
	struct edge *edges;
	size_t edge_count, edge_capacity;
	struct buffer stem, name;
};

static void add_edge(struct guessing *guessing, size_t from, size_t to)
{
	if (from == to || guessing->edge_count + 2 > EDGES_MAX)
		return;
	if (guessing->edge_count + 2 > guessing->edge_capacity) {
		guessing->edge_capacity = guessing->edge_capacity * 2 + 256;
		guessing->edges = must_realloc(
		    guessing->edges, guessing->edge_capacity * sizeof(*guessing->edges));
	}
	guessing->edges[guessing->edge_count++] = (struct edge){(uint32_t)from, (uint32_t)to};
	guessing->edges[guessing->edge_count++] = (struct edge){(uint32_t)to, (uint32_t)from};
}

static void add_named(struct named_list *list, uint64_t hash, size_t table, size_t column)
{
	if (list->count == list->capacity) {
		list->capacity = list->capacity * 2 + 256;
		list->items = must_realloc(list->items, list->capacity * sizeof(*list->items));
	}
	list->items[list->count++] = (struct named){hash, (uint32_t)table, (uint32_t)column};
}

static int compare_named(const void *a, const void *b)
{
	const struct named *left = a, *right = b;

	if (left->hash != right->hash)
		return left->hash < right->hash ? -1 : 1;
	if (left->table != right->table)
		return left->table < right->table ? -1 : 1;
	return (left->column > right->column) - (left->column < right->column);
}

/* The words without their ends: customers and customer are one. No separators, so that
 * customerid and customer_id are one as well. */
static uint64_t hash_words(struct guessing *guessing, const struct bytes *words, size_t count)
{
	buffer_reset(&guessing->name);
	for (size_t i = 0; i < count; i++) {
		token_stem(words[i], &guessing->stem);
		buffer_append_bytes(&guessing->name, bytes_of_buffer(&guessing->stem));
	}
	return XXH3_64bits(guessing->name.data, guessing->name.size);
}

/* The first table of that name, or NULL. */
static const struct named *find_table(const struct guessing *guessing, uint64_t hash)
{
	size_t low = 0, high = guessing->tables.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (guessing->tables.items[middle].hash < hash)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == guessing->tables.count || guessing->tables.items[low].hash != hash)
		return NULL;
	return &guessing->tables.items[low];
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

/* home_team_id: a table home_team, or else team. */
static void join_named_table(
    struct guessing *guessing, size_t table, const struct bytes *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct named *found =
		    find_table(guessing, hash_words(guessing, words + i, count - i));

		if (found && found->table != table) {
			add_edge(guessing, table, found->table);
			return;
		}
	}
}

static void guess_column(struct guessing *guessing, size_t table, size_t column)
{
	const char *name = guessing->snapshot->tables[table].columns[column].name;
	struct bytes words[IDENTIFIER_WORDS_MAX];
	size_t count = identifier_split(bytes_of_string(name), words);
	struct bytes before;
	bool is_key;

	if (count == 0)
		return;
	before = without_key_end(words[count - 1]);
	is_key = is_key_word(words[count - 1]) || before.data;
	/* A key of one common word, as id, says nothing of another table. */
	if (is_key && (count > 1 || before.data))
		add_named(&guessing->columns, hash_words(guessing, words, count), table, column);
	/* team_id, team_id_winner */
	for (size_t i = 1; i < count; i++)
		if (is_key_word(words[i]))
			join_named_table(guessing, table, words, i);
	if (before.data)
		words[count - 1] = before;
	join_named_table(guessing, table, words, count);
}

static void guess_tables(struct guessing *guessing)
{
	for (size_t i = 0; i < guessing->snapshot->table_count; i++) {
		struct bytes words[IDENTIFIER_WORDS_MAX];
		size_t count =
		    identifier_split(bytes_of_string(guessing->snapshot->tables[i].name), words);

		add_named(&guessing->tables, hash_words(guessing, words, count), i, 0);
	}
	if (guessing->tables.count > 0)
		qsort(guessing->tables.items, guessing->tables.count, sizeof(struct named),
		    compare_named);
}

/* The tables that share a key are joined with the one that it leads, else with each other. */
static void join_sharers(struct guessing *guessing, const struct named *sharers, size_t count)
{
	size_t owner = count;

	for (size_t i = 0; i < count && owner == count; i++)
		if (sharers[i].column == 0)
			owner = i;
	for (size_t i = 0; i < count; i++) {
		if (owner < count)
			add_edge(guessing, sharers[i].table, sharers[owner].table);
		for (size_t k = i + 1; owner == count && k < count; k++)
			add_edge(guessing, sharers[i].table, sharers[k].table);
	}
}

static void guess_shared_keys(struct guessing *guessing)
{
	struct named_list *columns = &guessing->columns;

	if (columns->count > 0)
		qsort(columns->items, columns->count, sizeof(struct named), compare_named);
	for (size_t i = 0, end; i < columns->count; i = end) {
		for (end = i + 1; end < columns->count; end++)
			if (columns->items[end].hash != columns->items[i].hash)
				break;
		if (end - i > 1 && end - i <= SHARERS_MAX)
			join_sharers(guessing, columns->items + i, end - i);
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
			add_edge(guessing, table, (size_t)(other - snapshot->tables));
	}
}

static bool is_declared(const struct snapshot_table *table, size_t column)
{
	for (size_t i = 0; i < table->foreign_key_count; i++)
		for (size_t k = 0; k < table->foreign_keys[i].column_count; k++)
			if (table->foreign_keys[i].columns[k] == column)
				return true;
	return false;
}

static int compare_edges(const void *a, const void *b)
{
	const struct edge *left = a, *right = b;

	if (left->from != right->from)
		return left->from < right->from ? -1 : 1;
	return (left->to > right->to) - (left->to < right->to);
}

static struct linking_graph *collect(const struct guessing *guessing)
{
	struct linking_graph *graph = must_zalloc(sizeof(*graph));
	const struct edge *edges = guessing->edges;
	uint32_t count = 0;
	size_t at = 0;

	graph->table_count = guessing->snapshot->table_count;
	graph->first = must_zalloc((graph->table_count + 1) * sizeof(*graph->first));
	graph->neighbours = must_alloc((guessing->edge_count + 1) * sizeof(*graph->neighbours));
	for (size_t i = 0; i < graph->table_count; i++) {
		graph->first[i] = count;
		for (; at < guessing->edge_count && edges[at].from == i; at++)
			if (at == 0 || compare_edges(&edges[at], &edges[at - 1]) != 0)
				graph->neighbours[count++] = edges[at].to;
	}
	graph->first[graph->table_count] = count;
	return graph;
}

struct linking_graph *linking_graph_new(const struct snapshot *snapshot)
{
	struct guessing guessing = {.snapshot = snapshot};
	struct linking_graph *graph;

	guess_tables(&guessing);
	for (size_t i = 0; i < snapshot->table_count; i++) {
		add_declared(&guessing, i);
		for (size_t k = 0; k < snapshot->tables[i].column_count; k++)
			if (!is_declared(&snapshot->tables[i], k))
				guess_column(&guessing, i, k);
	}
	guess_shared_keys(&guessing);
	if (guessing.edge_count > 0)
		qsort(guessing.edges, guessing.edge_count, sizeof(struct edge), compare_edges);
	graph = collect(&guessing);
	free(guessing.tables.items);
	free(guessing.columns.items);
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
	free(graph);
}

const uint32_t *linking_graph_neighbours(
    const struct linking_graph *graph, size_t table, size_t *ret_count)
{
	*ret_count = graph->first[table + 1] - graph->first[table];
	return graph->neighbours + graph->first[table];
}
