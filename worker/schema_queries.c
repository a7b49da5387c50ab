/* The catalog queries. search_path puts pg_catalog first, so that its names need no schema.
 * Partitions are hidden behind their parent. */
#include "worker/schema_build.h"

/* SQL, not C: its lines are laid out by hand. */
/* clang-format off */

#define TEXT_OF_(value) #value
#define TEXT_OF(value)  TEXT_OF_(value)
#define RELATIONS       "pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
#define WANTED \
	" n.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'v', 'm', 'f', 'p')" \
	" AND NOT c.relispartition "
#define COLUMNS         " JOIN pg_attribute a ON a.attrelid = c.oid"
#define KEPT            " AND a.attnum > 0 AND NOT a.attisdropped"
#define CATALOGS(schema) schema " = 'pg_catalog'::regnamespace"
#define IN_SCHEMAS(column) column " IN (SELECT oid FROM pg_namespace WHERE nspname = ANY ($1))"
#define NAMESPACE(oid)  "(SELECT nspname FROM pg_namespace WHERE oid = " oid ")"
#define OBJECTS         " ORDER BY 2, 1 LIMIT 20000"

/* A type's kind as the snapshot folds it; b is the type under a domain. */
#define COLUMN_KIND \
	" CASE WHEN b.typtype = 'e' THEN 'enum'" \
	" WHEN b.oid = ANY ('{int2,int4,int8}'::regtype[]) THEN 'integer'" \
	" WHEN b.oid = ANY ('{numeric,float4,float8,money}'::regtype[]) THEN 'number'" \
	" WHEN b.oid = 'bool'::regtype THEN 'boolean'" \
	" WHEN b.oid = 'date'::regtype THEN 'date'" \
	" WHEN b.oid = ANY ('{timestamp,timestamptz}'::regtype[]) THEN 'timestamp'" \
	" WHEN b.oid = ANY ('{time,timetz}'::regtype[]) THEN 'time'" \
	" WHEN b.typcategory = 'S' THEN 'text' ELSE 'other' END "
#define TYPES(column) \
	" JOIN pg_type t ON t.oid = " column \
	" JOIN pg_type b ON b.oid = coalesce(nullif(t.typbasetype, 0), t.oid) "

/* How many rows of a catalog there are and which versions: any DDL changes it. ANALYZE and VACUUM
 * write to pg_class in place; only a first ANALYZE is let count. */
#define PART(name, hashed, from) \
	"SELECT '" name " ' || count(*) || ' ' || coalesce(sum(hashtext(" hashed ")::int8), 0)" \
	" AS part FROM " from
#define AND_PART        " UNION ALL " PART
#define OF_CLASS(oid)   " JOIN pg_class c ON c.oid = " oid " WHERE " IN_SCHEMAS("c.relnamespace")

/* schema, name, extension, whether pg_catalog has the name, whether all overloads are immutable */
#define FUNCTION_FIELDS \
	NAMESPACE("p.pronamespace") ", p.proname, x.extname," \
	" bool_or(EXISTS (SELECT FROM pg_proc s WHERE s.proname = p.proname AND " \
	CATALOGS("s.pronamespace") ")), bool_and(p.provolatile = 'i')"
#define OPERATOR_FIELDS \
	NAMESPACE("o.oprnamespace") ", o.oprname, x.extname," \
	" bool_or(EXISTS (SELECT FROM pg_operator s WHERE s.oprname = o.oprname AND " \
	CATALOGS("s.oprnamespace") ")), bool_and(p.provolatile = 'i')"
#define OF_EXTENSION(class, oid) \
	" LEFT JOIN pg_depend e ON e.classid = '" class "'::regclass AND e.objid = " oid \
	" AND e.deptype = 'e' LEFT JOIN pg_extension x ON x.oid = e.refobjid"
#define USED_BY_VIEWS(class) \
	" FROM " RELATIONS " JOIN pg_rewrite w ON w.ev_class = c.oid JOIN pg_depend d" \
	" ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid" \
	" AND d.refclassid = '" class "'::regclass"

/* Tables with which a foreign one is read: its parents, at any distance. */
#define FOREIGN_PARTS \
	"c.oid IN (WITH RECURSIVE above(oid) AS (" \
	"SELECT i.inhparent FROM pg_inherits i JOIN pg_class f ON f.oid = i.inhrelid" \
	" WHERE f.relkind = 'f'" \
	" UNION SELECT i.inhparent FROM pg_inherits i JOIN above ON i.inhrelid = above.oid)" \
	" SELECT oid FROM above)"

/* Functions that come with a type, by no name in a statement: those in a domain's check, which
 * runs whenever a literal becomes its value, and those of casts that PostgreSQL puts in by itself,
 * implicit ones and to_json's. What an extension brings is a part of its types. Then the types that
 * are made of those. Usually there are none. 16384 is the first oid that is not PostgreSQL's own. */
#define USED_BY_CHECKS(class) \
	" FROM pg_constraint k JOIN pg_depend d ON d.classid = 'pg_constraint'::regclass" \
	" AND d.objid = k.oid AND d.refclassid = '" class "'::regclass "
#define BRINGING \
	"WITH RECURSIVE bringing(type, proc) AS (" \
	"SELECT k.contypid, d.refobjid" USED_BY_CHECKS("pg_proc") "WHERE k.contypid <> 0" \
	" UNION SELECT k.contypid, o.oprcode" USED_BY_CHECKS("pg_operator") \
	"JOIN pg_operator o ON o.oid = d.refobjid WHERE k.contypid <> 0" \
	" UNION SELECT side.type, k.castfunc FROM pg_cast k" \
	" CROSS JOIN LATERAL (VALUES (k.castsource), (k.casttarget)) AS side(type)" \
	" WHERE k.castfunc <> 0 AND side.type >= 16384" \
	" AND (k.castcontext = 'i' OR k.casttarget IN ('json'::regtype, 'jsonb'::regtype))" \
	" AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_cast'::regclass" \
	" AND e.objid = k.oid AND e.deptype = 'e')" \
	" UNION SELECT made.type, g.proc FROM bringing g CROSS JOIN LATERAL (" \
	"SELECT oid FROM pg_type WHERE typelem = g.type OR typbasetype = g.type" \
	" UNION ALL SELECT r.reltype FROM pg_attribute a JOIN pg_class r ON r.oid = a.attrelid" \
	" WHERE a.atttypid = g.type AND r.reltype <> 0" \
	/* rngmultitypid is younger than the rest */ \
	" UNION ALL SELECT unnest(ARRAY[r.rngtypid, (to_jsonb(r) ->> 'rngmultitypid')::oid])" \
	" FROM pg_range r WHERE r.rngsubtype = g.type) AS made(type)) "
#define USED_BY_TYPES \
	" FROM " RELATIONS COLUMNS KEPT " JOIN bringing g ON g.type = a.atttypid" \
	" JOIN pg_proc p ON p.oid = g.proc AND p.oid >= 16384"

static const char *const queries[SCHEMA_QUERY_COUNT] = {
    [SCHEMA_FINGERPRINT] =
	"SELECT md5(string_agg(part, '/' ORDER BY part)) FROM ("
	PART("relation", "c.oid || ' ' || c.xmin || (c.reltuples < 0)",
	    RELATIONS " WHERE n.nspname = ANY ($1::text[])")
	AND_PART("schema", "oid || ' ' || xmin", "pg_namespace WHERE nspname = ANY ($1)")
	AND_PART("column", "a.attrelid || ' ' || a.attnum || ' ' || a.xmin",
	    "pg_attribute a" OF_CLASS("a.attrelid"))
	AND_PART("constraint", "oid || ' ' || xmin",
	    "pg_constraint WHERE contypid <> 0 OR " IN_SCHEMAS("connamespace"))
	AND_PART("index", "i.indexrelid || ' ' || i.xmin", "pg_index i" OF_CLASS("i.indrelid"))
	AND_PART("inherit", "inhrelid || ' ' || inhparent", "pg_inherits")
	AND_PART("comment", "d.objoid || ' ' || d.objsubid || ' ' || d.xmin",
	    "pg_description d" OF_CLASS("d.objoid") " AND d.classoid = 'pg_class'::regclass")
	AND_PART("label", "oid || ' ' || xmin", "pg_enum")
	AND_PART("type", "oid || ' ' || xmin", "pg_type WHERE " IN_SCHEMAS("typnamespace"))
	AND_PART("function", "oid || ' ' || xmin", "pg_proc WHERE " IN_SCHEMAS("pronamespace"))
	AND_PART("rule", "w.oid || ' ' || w.xmin", "pg_rewrite w" OF_CLASS("w.ev_class"))
	AND_PART("extension", "oid || ' ' || xmin", "pg_extension")
	AND_PART("operator", "oid || ' ' || xmin", "pg_operator WHERE " IN_SCHEMAS("oprnamespace"))
	AND_PART("cast", "oid || ' ' || xmin", "pg_cast WHERE oid >= 16384")
	AND_PART("member", "roleid || ' ' || member || ' ' || xmin", "pg_auth_members")
	") parts",

    [SCHEMA_SCHEMAS] =
	"SELECT n.nspname FROM unnest($1::text[]) WITH ORDINALITY AS wanted(name, place)"
	" JOIN pg_namespace n ON n.nspname = wanted.name ORDER BY wanted.place",

    [SCHEMA_TABLES] =
	"SELECT c.oid, n.nspname, c.relname, left(obj_description(c.oid, 'pg_class'), 2000),"
	" c.relkind,"
	" has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'),"
	" (CASE c.relkind WHEN 'v' THEN -1 WHEN 'p' THEN"
	" (SELECT coalesce(sum(greatest(l.reltuples, 0)), -1) FROM pg_partition_tree(c.oid) p"
	" JOIN pg_class l ON l.oid = p.relid WHERE p.isleaf) ELSE c.reltuples END)::int8,"
	" c.relrowsecurity, " FOREIGN_PARTS
	" FROM " RELATIONS " WHERE " WANTED
	" ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\" LIMIT " TEXT_OF(SCHEMA_TABLES_MAX),

    [SCHEMA_COLUMNS] =
	"SELECT a.attrelid, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod),"
	" left(col_description(a.attrelid, a.attnum), 2000), NOT (a.attnotnull OR t.typnotnull),"
	COLUMN_KIND
	" FROM " RELATIONS COLUMNS TYPES("a.atttypid") " WHERE " WANTED KEPT
	" ORDER BY a.attrelid, a.attnum",

    [SCHEMA_LABELS] =
	"SELECT a.attrelid, a.attnum, e.enumlabel"
	" FROM " RELATIONS COLUMNS TYPES("a.atttypid") " JOIN pg_enum e ON e.enumtypid = b.oid"
	" WHERE " WANTED KEPT " ORDER BY a.attrelid, a.attnum, e.enumsortorder",

    [SCHEMA_CONSTRAINTS] =
	"SELECT k.conrelid, col.attnum, k.contype, k.oid, fn.nspname, fc.relname, fa.attname"
	" FROM " RELATIONS " JOIN pg_constraint k ON k.conrelid = c.oid"
	" CROSS JOIN LATERAL unnest(k.conkey) WITH ORDINALITY AS col(attnum, place)"
	" LEFT JOIN pg_class fc ON fc.oid = k.confrelid"
	" LEFT JOIN pg_namespace fn ON fn.oid = fc.relnamespace"
	" LEFT JOIN pg_attribute fa ON fa.attrelid = k.confrelid"
	" AND fa.attnum = k.confkey[col.place]"
	" WHERE " WANTED " AND k.contype IN ('p', 'f') AND k.conparentid = 0"
	" ORDER BY k.conrelid, k.contype DESC, k.conname COLLATE \"C\", col.place",

    [SCHEMA_UNIQUE] =
	"SELECT i.indrelid, i.indkey[0] FROM " RELATIONS " JOIN pg_index i ON i.indrelid = c.oid"
	" WHERE " WANTED " AND i.indisunique AND i.indisvalid AND i.indnkeyatts = 1"
	" AND i.indpred IS NULL AND i.indkey[0] > 0 ORDER BY i.indrelid, i.indkey[0]",

    [SCHEMA_SAMPLES] =
	"SELECT a.attrelid, a.attnum, v.value, s.n_distinct > " TEXT_OF(SCHEMA_SAMPLES_MAX)
	" OR s.n_distinct * -c.reltuples > " TEXT_OF(SCHEMA_SAMPLES_MAX)
	" FROM " RELATIONS COLUMNS TYPES("a.atttypid")
	" JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname"
	" AND s.attname = a.attname AND s.inherited = (c.relkind = 'p')"
	" LEFT JOIN LATERAL unnest(s.most_common_vals::text::text[]) WITH ORDINALITY"
	" AS v(value, place) ON v.place <= " TEXT_OF(SCHEMA_SAMPLES_MAX)
	" WHERE " WANTED KEPT " AND b.typcategory = 'S'"
	/* Values that are private do not leave the server. */
	" AND NOT c.relname || '.' || a.attname = ANY ($2::text[])"
	" AND NOT n.nspname || '.' || c.relname || '.' || a.attname = ANY ($2::text[])"
	" ORDER BY a.attrelid, a.attnum, v.value COLLATE \"C\"",

    [SCHEMA_FUNCTIONS] =
	"SELECT " FUNCTION_FIELDS " FROM pg_proc p" OF_EXTENSION("pg_proc", "p.oid")
	" WHERE " IN_SCHEMAS("p.pronamespace") " GROUP BY 1, 2, 3" OBJECTS,

    [SCHEMA_OPERATORS] =
	"SELECT " OPERATOR_FIELDS " FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode"
	OF_EXTENSION("pg_operator", "o.oid")
	" WHERE " IN_SCHEMAS("o.oprnamespace") " GROUP BY 1, 2, 3" OBJECTS,

    /* Types of values: no rows of tables, no arrays, nothing that is no value. */
    [SCHEMA_TYPES] =
	"SELECT " NAMESPACE("t.typnamespace") ", t.typname, x.extname,"
	" EXISTS (SELECT FROM pg_type s WHERE s.typname = t.typname AND "
	CATALOGS("s.typnamespace") "), true FROM pg_type t" OF_EXTENSION("pg_type", "t.oid")
	" WHERE " IN_SCHEMAS("t.typnamespace")
	" AND t.typtype <> 'c' AND t.typcategory <> 'A' AND t.typisdefined" OBJECTS,

    /* x::T uses casts to T. */
    [SCHEMA_CAST_TYPES] =
	"SELECT " NAMESPACE("t.typnamespace") ", t.typname, x.extname, "
	CATALOGS("t.typnamespace") ", coalesce(bool_and(p.provolatile = 'i'), true)"
	" FROM pg_cast k JOIN pg_type t ON t.oid = k.casttarget"
	" LEFT JOIN pg_proc p ON p.oid = k.castfunc" OF_EXTENSION("pg_cast", "k.oid")
	" WHERE k.oid >= 16384 AND $1::text[] IS NOT NULL GROUP BY 1, 2, 3, 4" OBJECTS,

    [SCHEMA_CATALOG_CALLS] =
	"SELECT DISTINCT p.proname FROM pg_proc p WHERE " CATALOGS("p.pronamespace")
	" AND $1::text[] IS NOT NULL AND (p.provariadic <> 0"
	" OR 1 BETWEEN p.pronargs - p.pronargdefaults AND p.pronargs)"
	" AND NOT 'internal'::regtype = ANY (p.proargtypes) LIMIT 20000",

    [SCHEMA_VIEWS] =
	"SELECT c.oid, CASE WHEN octet_length(v.body) <= " TEXT_OF(SCHEMA_VIEW_BYTES_MAX)
	" THEN v.body END,"
	" EXISTS (SELECT FROM pg_options_to_table(c.reloptions) WHERE option_name ="
	" 'security_invoker' AND option_value IN ('true', 'on', 'yes', '1'))"
	" FROM " RELATIONS " CROSS JOIN LATERAL pg_get_viewdef(c.oid) AS v(body)"
	" WHERE " WANTED " AND c.relkind IN ('v', 'm') ORDER BY c.oid",

    /* What initdb made stands in no dependency: all of these are from outside. */
    [SCHEMA_USES] =
	BRINGING
	"SELECT c.oid, 'f', " FUNCTION_FIELDS USED_BY_VIEWS("pg_proc")
	" JOIN pg_proc p ON p.oid = d.refobjid" OF_EXTENSION("pg_proc", "p.oid")
	" WHERE " WANTED " GROUP BY 1, 2, 3, 4, 5"
	" UNION ALL SELECT c.oid, 'f', " FUNCTION_FIELDS USED_BY_TYPES
	OF_EXTENSION("pg_proc", "p.oid")
	" WHERE " WANTED " GROUP BY 1, 2, 3, 4, 5"
	" UNION ALL SELECT c.oid, 'o', " OPERATOR_FIELDS USED_BY_VIEWS("pg_operator")
	" JOIN pg_operator o ON o.oid = d.refobjid JOIN pg_proc p ON p.oid = o.oprcode"
	OF_EXTENSION("pg_operator", "o.oid")
	" WHERE " WANTED " GROUP BY 1, 2, 3, 4, 5"
	" UNION ALL SELECT DISTINCT c.oid, 'r', " NAMESPACE("r.relnamespace") ", r.relname,"
	" NULL::name, false, true" USED_BY_VIEWS("pg_class")
	" JOIN pg_class r ON r.oid = d.refobjid AND r.oid <> c.oid"
	" WHERE " WANTED " ORDER BY 1, 2, 4, 3",
};

/* clang-format on */

int schema_query_parameters(enum schema_query query)
{
	return query == SCHEMA_SAMPLES ? 2 : 1;
}

const char *schema_query_sql(enum schema_query query)
{
	return queries[query];
}
