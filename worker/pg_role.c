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
    " super AS (SELECT r.oid, r.rolname FROM pg_catalog.pg_roles r JOIN held USING (oid)"
    " WHERE r.rolsuper),"
    " plain AS (SELECT * FROM held WHERE NOT EXISTS (SELECT FROM super)),"
    " space AS (SELECT * FROM pg_catalog.pg_namespace WHERE nspname = ANY ($1::text[])),"
    " relation AS (SELECT c.oid, c.relowner, s.nspname, pg_catalog.format('%I.%I', s.nspname, "
    "c.relname)"
    " AS name FROM pg_catalog.pg_class c JOIN space s ON s.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')),"
    /* What the role was made a member of, where that leads to another; the least to take away. */
    " via AS (SELECT h.oid, pg_catalog.format('REVOKE %s FROM %I', pg_catalog.string_agg("
    "pg_catalog.quote_ident(d.rolname), ', ' ORDER BY d.rolname), session_user) AS remedy"
    " FROM held h, pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles d ON d.oid = m.roleid"
    " WHERE m.member = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user)"
    " AND pg_catalog.pg_has_role(d.oid, h.oid, 'MEMBER') GROUP BY h.oid),"
    /* Of what a role is by itself another is free. */
    " other AS (SELECT pg_catalog.format('CREATE ROLE %1$I LOGIN; GRANT USAGE ON SCHEMA %2$s TO"
    " %1$I; GRANT SELECT ON ALL TABLES IN SCHEMA %2$s TO %1$I; and name it in the dsn',"
    " CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'optimax_ro')"
    " THEN 'optimax_reader' ELSE 'optimax_ro' END, coalesce(pg_catalog.string_agg("
    "pg_catalog.quote_ident(nspname), ', '), 'public')) AS remedy FROM space)"
    " SELECT found, remedy FROM ("
    /* 0, 1: superusers */
    " SELECT CASE WHEN s.rolname IN (current_user, session_user) THEN 0 ELSE 1 END AS rank,"
    " CASE WHEN s.rolname IN (current_user, session_user)"
    " THEN 'it is a superuser'"
    " ELSE pg_catalog.format('it is a member of %I, a superuser', s.rolname) END AS found,"
    " CASE WHEN s.rolname IN (current_user, session_user) THEN o.remedy"
    " ELSE coalesce(v.remedy, o.remedy) END AS remedy"
    " FROM super s LEFT JOIN via v USING (oid), other o"
    /* 2: attributes */
    " UNION ALL SELECT 2, pg_catalog.format('it holds %s', a.attribute),"
    " pg_catalog.format('ALTER ROLE %I NO%s', p.rolname, a.attribute) FROM plain p,"
    " LATERAL (VALUES ('CREATEROLE', p.rolcreaterole), ('REPLICATION', p.rolreplication),"
    " ('CREATEDB', p.rolcreatedb)) a(attribute, has) WHERE a.has"
    /* 3: predefined roles that reach outside the database */
    " UNION ALL SELECT 3, pg_catalog.format('it is a member of %I', p.rolname),"
    " coalesce(v.remedy, o.remedy) FROM plain p LEFT JOIN via v USING (oid), other o"
    " WHERE p.rolname IN ('pg_read_server_files', 'pg_write_server_files',"
    " 'pg_execute_server_program', 'pg_signal_backend', 'pg_write_all_data')"
    /* 4: owners */
    " UNION ALL SELECT 4, 'it owns ' || t.name, coalesce(v.remedy, o.remedy)"
    " FROM (SELECT name, relowner FROM relation UNION ALL"
    " SELECT pg_catalog.format('schema %I', nspname), nspowner FROM space) t"
    " JOIN plain p ON p.oid = t.relowner LEFT JOIN via v USING (oid), other o"
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
