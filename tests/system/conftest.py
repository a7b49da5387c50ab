"""What every system test is given: a PostgreSQL with the sample database, and daemons.

    def test_x(daemon):             one daemon on the sample database, as configured by default
    def test_y(new_daemon):         new_daemon(config={...}, databases=[...]) starts one
    def test_z(cluster, database):  PostgreSQL itself; a copy of the sample that may be written
"""

import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cluster import Cluster  # noqa: E402
from daemon import Daemon  # noqa: E402

LOG_TAIL = 6000

# A shell without job control starts what it puts into the background with SIGINT ignored, and so
# would be what the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def session_cluster():
    cluster = Cluster()
    yield cluster
    cluster.close()


@pytest.fixture
def cluster(session_cluster):
    """PostgreSQL, running, whatever the test before has done to it."""
    session_cluster.start()
    yield session_cluster
    session_cluster.start()


@pytest.fixture
def database(cluster):
    """The name of a copy of the sample database that is this test's alone."""
    name = cluster.create_database()
    yield name
    cluster.drop_database(name)


@pytest.fixture
def shop(cluster):
    """The entry of `databases` for the sample database; change it before use."""
    return {"name": "shop", "dsn": cluster.dsn()}


@pytest.fixture
def new_daemon(request, shop):
    """A factory. databases=None: the sample; start=False: not started yet."""
    daemons = request.node.daemons = []

    def factory(config=None, databases=None, start=True, environment=None):
        daemon = Daemon([shop] if databases is None else databases, config, environment)
        daemons.append(daemon)
        return daemon.start() if start else daemon

    yield factory
    problems = []
    for daemon in daemons:
        try:
            daemon.close()
        except AssertionError as problem:
            problems.append(problem)
    if problems:
        raise problems[0]


@pytest.fixture
def daemon(new_daemon):
    daemon = new_daemon()
    daemon.wait_serving()
    return daemon


@pytest.fixture(scope="module")
def shared_daemon(session_cluster):
    """One daemon for all tests of a file that only read."""
    session_cluster.start()
    daemon = Daemon([{"name": "shop", "dsn": session_cluster.dsn()}])
    try:
        daemon.start()
        daemon.wait_serving()
        yield daemon
    finally:
        daemon.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failed test shows what its daemons logged."""
    report = (yield).get_result()
    if not report.failed:
        return
    daemons = list(getattr(item, "daemons", []))
    if "shared_daemon" in getattr(item, "funcargs", {}):
        daemons.append(item.funcargs["shared_daemon"])
    for daemon in daemons:
        report.sections.append((f"log of {daemon.instance}", daemon.log()[-LOG_TAIL:]))
