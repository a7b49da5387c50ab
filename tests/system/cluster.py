"""A private PostgreSQL: in a scratch folder, reached by its Unix socket only."""

import os
import signal
from pathlib import Path

import process

SOURCE = Path(os.environ.get("top_srcdir", Path(__file__).resolve().parents[2]))


def bin_dir():
    """Debian's own place, of the newest version that is there."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"),
                   key=lambda path: int(path.parent.parent.name))
    if not found:
        raise FileNotFoundError("no PostgreSQL in /usr/lib/postgresql; run script/setup")
    return found[-1].parent


class Cluster:
    """Databases: shop (the sample) and those that create_database makes from it."""

    OWNER = "shop_owner"
    ROLE = "optimax_ro"

    def __init__(self):
        self.scratch = process.new_scratch("pg")
        self.bin = bin_dir()
        self.data = self.scratch / "data"
        self.postgres = None
        self.names = 0
        done = process.run([self.bin / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust",
                            "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
        if done.returncode:
            raise RuntimeError(f"initdb: {done.stderr}")
        self.start()
        self.psql(f"CREATE ROLE {self.OWNER} LOGIN", database="postgres")
        self.psql(f"CREATE DATABASE sample OWNER {self.OWNER}", database="postgres")
        self.psql(f"ALTER SCHEMA public OWNER TO {self.OWNER}", database="sample")
        self.psql(f"ALTER ROLE {self.OWNER} CREATEROLE", database="postgres")
        for name in ("shop.sql", "shop_role.sql"):
            self.psql((SOURCE / "examples" / name).read_text(), database="sample", user=self.OWNER)
        self.psql("CREATE DATABASE shop TEMPLATE sample STRATEGY file_copy", database="postgres")

    def dsn(self, database="shop", user=ROLE):
        return f"host={self.scratch} dbname={database} user={user}"

    def start(self):
        """Returns once it answers; nothing where it runs already."""
        if self.postgres and self.postgres.poll() is None:
            return
        settings = {"listen_addresses": "", "unix_socket_directories": self.scratch, "fsync": "off",
                    "full_page_writes": "off", "synchronous_commit": "off", "timezone": "UTC",
                    "shared_buffers": "32MB", "max_connections": "60", "autovacuum": "off",
                    "dynamic_shared_memory_type": "mmap"}
        words = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        with open(self.scratch / "postgres.log", "ab") as log:
            # SIGQUIT takes all of PostgreSQL down at once, and its shared memory with it.
            self.postgres = process.start([self.bin / "postgres", "-D", self.data, *words],
                                          death_signal=signal.SIGQUIT, stdout=log, stderr=log,
                                          stdin=open(os.devnull), cwd="/")

        def answers():
            """PostgreSQL answers"""
            if self.postgres.poll() is not None:
                raise RuntimeError((self.scratch / "postgres.log").read_text()[-4000:])
            return process.run([self.bin / "pg_isready", "-q", "-h", self.scratch]).returncode == 0

        process.wait_until(answers, timeout=30)

    def stop(self, mode=signal.SIGINT):
        """SIGINT: fast, clients are disconnected; SIGQUIT: as in a crash."""
        if not self.postgres or self.postgres.poll() is not None:
            return
        self.postgres.send_signal(mode)
        self.postgres.wait(timeout=30)

    def restart(self, mode=signal.SIGINT):
        self.stop(mode)
        self.start()

    def psql(self, sql, database="shop", user="postgres"):
        """Runs statements; returns the last one's rows as lists of texts."""
        done = process.run([self.bin / "psql", "-X", "-q", "-At", "-F", "\x1f", "-v", "ON_ERROR_STOP=1",
                            "-h", self.scratch, "-U", user, "-d", database, "-f", "-"],
                           input=sql, env={**os.environ, "PGCLIENTENCODING": "UTF8"})
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr.strip()}")
        return [line.split("\x1f") for line in done.stdout.splitlines()]

    def create_database(self, sql=None):
        """A database of its own for a test that writes: the sample, or empty and filled by sql."""
        self.names += 1
        name = f"scratch{self.names}"
        template = "sample" if sql is None else "template0"
        self.psql(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {self.OWNER}", database="postgres")
        if sql is not None:
            self.psql(sql, database=name, user=self.OWNER)
        return name

    def drop_database(self, name):
        self.psql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", database="postgres")

    def close(self):
        self.stop(signal.SIGQUIT)
        process.remove_scratch(self.scratch)
