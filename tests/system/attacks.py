"""SQL that would do something if a layer were missing: a few of each kind. FILE becomes a path that
must not come to exist. The tables are the sample database's."""

ATTACKS = [
    # data and structure
    "DELETE FROM reviews", "UPDATE customers SET email = ''", "INSERT INTO reviews DEFAULT VALUES", "TRUNCATE reviews",
    "DROP TABLE reviews", "CREATE TABLE stolen AS SELECT * FROM customers", "SELECT * INTO stolen FROM customers",
    "WITH gone AS (DELETE FROM reviews RETURNING *) SELECT * FROM gone", "MERGE INTO reviews r USING customers c ON false WHEN NOT MATCHED THEN INSERT DEFAULT VALUES",
    "CREATE TEMP TABLE t (a int)", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "DO $$BEGIN PERFORM 1; END$$",
    "COMMENT ON TABLE reviews IS 'x'", "REFRESH MATERIALIZED VIEW x", "ANALYZE reviews", "VACUUM", "REINDEX TABLE reviews",
    # more than one statement
    "SELECT 1; DELETE FROM reviews", "COMMIT; DELETE FROM reviews", "SELECT 1; COMMIT; BEGIN; DELETE FROM reviews; COMMIT",
    "ROLLBACK; SET default_transaction_read_only = off; DELETE FROM reviews", "SELECT 1) AS x; DELETE FROM reviews; SELECT * FROM (SELECT 1",
    "/* SELECT */ DELETE FROM reviews -- SELECT", "EXPLAIN ANALYZE DELETE FROM reviews",
    "SELECT 1) AS optimax LIMIT 1; DROP TABLE reviews; --", "SELECT 1 --\n) AS a; DELETE FROM reviews; --",
    # the transaction and the session
    "BEGIN", "COMMIT", "ROLLBACK", "END", "SAVEPOINT a", "SET TRANSACTION READ WRITE", "START TRANSACTION READ WRITE",
    "SET transaction_read_only = off", "RESET ALL", "DISCARD ALL", "SET ROLE postgres", "RESET ROLE", "SET SESSION AUTHORIZATION postgres",
    "SELECT set_config('transaction_read_only', 'off', false)", "SELECT set_config('search_path', 'evil', false)",
    "SELECT setseed(0.5)", "PREPARE p AS SELECT 1", "EXECUTE p", "DEALLOCATE ALL", "LISTEN x", "NOTIFY x, 'y'", "SELECT pg_notify('x', 'y')",
    "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "LOAD 'plpgsql'", "ALTER SYSTEM SET work_mem = '1GB'", "ALTER ROLE optimax_ro SUPERUSER",
    # locks
    "LOCK TABLE customers", "SELECT * FROM customers FOR UPDATE", "SELECT * FROM customers FOR SHARE", "SELECT pg_advisory_lock(7)",
    "SELECT (7::bigint).pg_advisory_lock", "SELECT pg_try_advisory_lock_shared(7)", "SELECT * FROM pg_advisory_lock(7)",
    "SELECT 1 FROM customers ORDER BY pg_advisory_lock(7)", "SELECT count(*) FILTER (WHERE pg_try_advisory_lock(7)) FROM customers",
    "EXPLAIN SELECT pg_advisory_lock(7)", "SELECT pg_advisory_xact_lock(id) FROM customers", "VALUES (pg_advisory_lock(7))",
    "SELECT pg_catalog . \"pg_advisory_lock\" (7)", "WITH a AS (SELECT pg_advisory_lock(7)) TABLE a",
    # the log, identifiers, sequences, large objects
    "SELECT pg_logical_emit_message(false, 'a', 'b')", "SELECT pg_logical_emit_message(true, 'a', 'b')", "SELECT txid_current()",
    "SELECT pg_current_xact_id()", "SELECT pg_export_snapshot()", "SELECT nextval('seq_of_mine')", "SELECT setval('seq_of_mine', 99)",
    "SELECT lo_create(4711)", "SELECT lo_from_bytea(0, 'x')", "SELECT lo_creat(-1)", "SELECT lo_import('/etc/passwd')", "SELECT lo_export(1, 'FILE')",
    "SELECT brin_summarize_new_values('customers'::regclass)", "SELECT pg_switch_wal()", "SELECT pg_create_restore_point('x')",
    # other sessions and the server
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity", "SELECT pg_cancel_backend(pid) FROM pg_stat_activity",
    "SELECT pg_terminate_backend(PID)", "SELECT pg_cancel_backend(PID)", "SELECT count(*) FROM generate_series(1, 9) p WHERE pg_terminate_backend(PID)",
    "SELECT pg_reload_conf()", "SELECT pg_rotate_logfile()", "SELECT pg_stat_reset()", "SELECT pg_sleep(3600)", "SELECT pg_promote()", "CHECKPOINT",
    # files and programs
    "COPY customers TO 'FILE'", "COPY customers TO PROGRAM 'touch FILE'", "COPY (SELECT 1) TO STDOUT", "COPY reviews FROM PROGRAM 'true'",
    "SELECT pg_read_file('/etc/passwd')", "SELECT * FROM pg_ls_dir('/')", "SELECT pg_read_binary_file('/etc/passwd')", "SELECT pg_stat_file('/etc/passwd')",
    "CREATE EXTENSION adminpack", "SELECT * FROM dblink('dbname=shop', 'DELETE FROM reviews') AS t(a text)",
    # SQL in strings
    "SELECT query_to_xml('DELETE FROM reviews', true, true, '')", "SELECT table_to_xml('customers', true, true, '')",
    "SELECT cursor_to_xml('c', 1, true, true, '')", "SELECT * FROM ts_stat('SELECT pg_advisory_lock(7)::text::tsvector')",
    "SELECT database_to_xml(true, true, '')", "CALL p()",
]
