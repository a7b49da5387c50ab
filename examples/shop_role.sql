-- The role that OptimaX connects as: it may read the sample database, and nothing else.
-- Run by the owner of the database, after shop.sql. A password or a line in pg_hba.conf that
-- lets the role in is for you to add.

DO $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'optimax_ro') THEN
		CREATE ROLE optimax_ro LOGIN;
	END IF;
END
$$;

-- Since PostgreSQL 15 this is the default, but not in a cluster that was upgraded.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO optimax_ro;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO optimax_ro;
