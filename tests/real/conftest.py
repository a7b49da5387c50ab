"""Fixtures of the system tests, and the engine that script/real-engine builds."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
SYSTEM = TOP / "tests/system"
sys.path[:0] = [str(Path(__file__).parent), str(SYSTEM)]

import process  # noqa: E402

_spec = importlib.util.spec_from_file_location("system_conftest", SYSTEM / "conftest.py")
_system = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_system)
session_cluster, cluster, shop, new_daemon = (
    getattr(_system, name) for name in ("session_cluster", "cluster", "shop", "new_daemon"))
pytest_runtest_makereport = _system.pytest_runtest_makereport


@pytest.fixture(scope="session")
def program(folder):
    """The engine, where the user who runs the tests' programs can read it."""
    done = subprocess.run([TOP / "script/real-engine", "--path"], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(done.stderr.strip())
    copy = folder / "llama-server"
    shutil.copy(done.stdout.strip(), copy)
    copy.chmod(0o755)
    return copy


@pytest.fixture(scope="session")
def folder():
    path = process.new_scratch("e")
    os.chmod(path, 0o777)
    yield path
    process.remove_scratch(path)
