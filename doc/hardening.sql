-- Makes the role that OptimaX connects as, and takes from it what a plain SELECT could still do:
-- hold locks that outlive a transaction, write to the log, end other sessions, fill the disk.
-- OptimaX refuses all of that by itself; this is the wall behind it, in PostgreSQL.
--
--   psql -d shop -f hardening.sql
--   psql -d shop -v role=optimax_ro -v schema=sales -f hardening.sql
--
-- A superuser runs it, once for each database and schema; running it again changes nothing.
-- The role gets no password: add one (\password) or a line in pg_hba.conf.
-- Functions are taken from PUBLIC and given to every role that is there now, but to this one:
-- grant them to roles that you make later, as in
--   GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint) TO new_role;

\set ON_ERROR_STOP on
\if :{?role}
\else
	\set role optimax_ro
\endif
\if :{?schema}
\else
	\set schema public
\endif

BEGIN;

SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') AS missing \gset
\if :missing
	CREATE ROLE :"role" LOGIN;
\endif
ALTER ROLE :"role" NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;

-- The limit of temporary files can be changed by superusers only. The others are for whoever
-- else connects as this role: OptimaX sets its own.
ALTER ROLE :"role" SET temp_file_limit = '1GB';
ALTER ROLE :"role" SET default_transaction_read_only = on;
ALTER ROLE :"role" SET statement_timeout = '60s';
ALTER ROLE :"role" SET lock_timeout = '5s';
ALTER ROLE :"role" SET idle_in_transaction_session_timeout = '60s';

-- What it may read. Before PostgreSQL 15 everybody could create in public, and that is kept by
-- an upgrade. Narrow the grant to single tables where not all of them are to be read.
REVOKE CREATE ON SCHEMA :"schema" FROM PUBLIC, :"role";
GRANT USAGE ON SCHEMA :"schema" TO :"role";
REVOKE ALL ON ALL TABLES IN SCHEMA :"schema" FROM :"role";
REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER
	ON ALL TABLES IN SCHEMA :"schema" FROM PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA :"schema" TO :"role";

-- What no reader needs. A row is a name or the start of one, and why.
CREATE TEMPORARY TABLE optimax_taken (pattern text, why text) ON COMMIT DROP;
INSERT INTO optimax_taken VALUES
	('pg_advisory_lock%', 'locks that outlive the transaction'),
	('pg_advisory_xact%', 'locks that others wait for'),
	('pg_try_advisory%', 'the same'),
	('pg_terminate_backend', 'ends every session of the same role'),
	('pg_cancel_backend', 'the same, for statements'),
	('pg_log_backend_memory_contexts', 'writes to the server''s log'),
	('pg_logical_emit_message', 'writes WAL'),
	('txid_current', 'uses up a transaction id'),
	('pg_current_xact_id', 'the same'),
	('pg_export_snapshot', 'writes a file'),
	('pg_notify', 'sends to other sessions'),
	('pg_sleep%', 'holds a connection'),
	('setseed', 'stays in the session'),
	('lo_%', 'large objects'),
	('loread', 'the same'),
	('lowrite', 'the same'),
	('brin_summarize%', 'writes to an index'),
	('brin_desummarize%', 'the same'),
	('query_to_xml%', 'runs SQL out of a string'),
	('cursor_to_xml%', 'the same'),
	('table_to_xml%', 'reads what a string names'),
	('schema_to_xml%', 'the same'),
	('database_to_xml%', 'the same'),
	('ts_stat', 'runs SQL out of a string');

SELECT set_config('optimax.role', :'role', true) \g /dev/null
DO $$
DECLARE
	taken regprocedure;
	other name;
BEGIN
	FOR taken IN
		SELECT p.oid FROM pg_proc p
		WHERE p.pronamespace = 'pg_catalog'::regnamespace
			AND EXISTS (SELECT FROM optimax_taken t
				WHERE p.proname LIKE replace(t.pattern, '_', '\_'))
			-- Only what everybody may run now: the rest is restricted already.
			AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
				WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE')
	LOOP
		EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', taken);
		FOR other IN
			SELECT rolname FROM pg_roles
			WHERE rolname <> current_setting('optimax.role') AND NOT rolsuper
				AND rolname NOT LIKE 'pg\_%'
				AND NOT pg_has_role(current_setting('optimax.role'), oid, 'MEMBER')
		LOOP
			EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', taken, other);
		END LOOP;
	END LOOP;
END
$$;

COMMIT;
