#include "worker/pg_role.h"

#include <stdio.h>

/* Roles are looked at with everything they are a member of, inherited or by SET ROLE, and so is
 * the session's user, to which RESET ROLE returns. Privileges of PUBLIC are in has_*_privilege.
 * BYPASSRLS is let pass: it widens what is read, not what can be done. */
static const char role_query[] =
    "WITH held AS (SELECT r.oid, r.rolname, r.rolsuper, r.rolcreaterole, r.rolcreatedb,"
    " r.rolreplication FROM pg_catalog.pg_roles r"
    " WHERE pg_catalog.pg_has_role(current_user, r.oid, 'MEMBER')"
    " OR pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')),"
    " super AS (SELECT r.rolname FROM pg_catalog.pg_roles r JOIN held USING (oid)"
    " WHERE r.rolsuper),"
    " plain AS (SELECT * FROM held WHERE NOT EXISTS (SELECT FROM super)),"
    " space AS (SELECT * FROM pg_catalog.pg_namespace WHERE nspname = ANY ($1::text[])),"
    " relation AS (SELECT c.oid, c.relowner, s.nspname, pg_catalog.format('%I.%I', s.nspname, "
    "c.relname)"
    " AS name FROM pg_catalog.pg_class c JOIN space s ON s.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f'))"
    " SELECT found, remedy FROM ("
    /* 1: superusers */
    " SELECT 1 AS rank, CASE WHEN s.rolname IN (current_user, session_user)"
    " THEN 'it is a superuser'"
    " ELSE pg_catalog.format('it is a member of %I, a superuser', s.rolname) END AS found,"
    " 'CREATE ROLE optimax_ro LOGIN; GRANT USAGE ON SCHEMA ' || names.list ||"
    " ' TO optimax_ro; GRANT SELECT ON ALL TABLES IN SCHEMA ' || names.list ||"
    " ' TO optimax_ro; and name it in the dsn' AS remedy"
    " FROM super s, (SELECT coalesce(pg_catalog.string_agg("
    "pg_catalog.quote_ident(nspname), ', '), 'public') AS list FROM space) names"
    /* 2: attributes */
    " UNION ALL SELECT 2, pg_catalog.format('it holds %s', a.attribute),"
    " pg_catalog.format('ALTER ROLE %I NO%s', p.rolname, a.attribute) FROM plain p,"
    " LATERAL (VALUES ('CREATEROLE', p.rolcreaterole), ('REPLICATION', p.rolreplication),"
    " ('CREATEDB', p.rolcreatedb)) a(attribute, has) WHERE a.has"
    /* 3: predefined roles that reach outside the database */
    " UNION ALL SELECT 3, pg_catalog.format('it is a member of %I', p.rolname),"
    " pg_catalog.format('REVOKE %I FROM %I', p.rolname, session_user) FROM plain p"
    " WHERE p.rolname IN ('pg_read_server_files', 'pg_write_server_files',"
    " 'pg_execute_server_program', 'pg_signal_backend', 'pg_write_all_data')"
    /* 4: owners */
    " UNION ALL SELECT 4, 'it owns ' || r.name, pg_catalog.format('ALTER TABLE %s OWNER TO"
    " another role (it may be a member of the owner: REVOKE %I FROM %I)', r.name, p.rolname,"
    " session_user) FROM relation r JOIN plain p ON p.oid = r.relowner"
    " UNION ALL SELECT 4, pg_catalog.format('it owns schema %I', s.nspname),"
    " pg_catalog.format('ALTER SCHEMA %I OWNER TO another role', s.nspname)"
    " FROM space s JOIN plain p ON p.oid = s.nspowner"
    /* 5: write grants; all who have one are named, as the role may have it by membership */
    " UNION ALL SELECT 5, 'it may write to ' || r.name,"
    " pg_catalog.format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA %I"
    " FROM %s, PUBLIC', r.nspname, pg_catalog.string_agg(pg_catalog.quote_ident(p.rolname), ', '"
    " ORDER BY p.rolname)) FROM relation r, plain p"
    " WHERE pg_catalog.has_table_privilege(p.oid, r.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')"
    " OR pg_catalog.has_any_column_privilege(p.oid, r.oid, 'INSERT, UPDATE')"
    " GROUP BY r.name, r.nspname"
    /* 6: CREATE, which shadows what the validator allows by name */
    " UNION ALL SELECT 6, pg_catalog.format('it may create objects in schema %I', s.nspname),"
    " pg_catalog.format('REVOKE CREATE ON SCHEMA %I FROM %s, PUBLIC', s.nspname,"
    " pg_catalog.string_agg(pg_catalog.quote_ident(p.rolname), ', ' ORDER BY p.rolname))"
    " FROM space s, plain p WHERE pg_catalog.has_schema_privilege(p.oid, s.oid, 'CREATE')"
    " GROUP BY s.nspname"
    ") AS finding ORDER BY rank, found LIMIT 1";

const char *pg_role_query(void)
{
	return role_query;
}

bool pg_role_refused(const PGresult *result, char *ret_reason, size_t reason_size)
{
	if (PQntuples(result) == 0)
		return false;
	snprintf(ret_reason, reason_size,
	    "the role is refused: %s; OptimaX only works with a role that can do nothing but read: "
	    "%s; or set trust_role: true for this database",
	    PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1));
	return true;
}
