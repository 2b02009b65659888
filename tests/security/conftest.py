"""What tests/pool has for services of one test's own, and a database that is reached by TLS."""

import importlib.util
import sys
from pathlib import Path

import pytest

POOL = Path(__file__).resolve().parent.parent / "pool"
sys.path[:0] = [str(POOL), str(POOL.parent / "api")]  # of the latter: resources, what there is of each
spec = importlib.util.spec_from_file_location("pool_conftest", POOL / "conftest.py")
pool_conftest = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pool_conftest)
pool, key, proc_database, Pool = (getattr(pool_conftest, name) for name in ("pool", "key", "proc_database", "Pool"))

from tls import TlsCluster  # noqa: E402


@pytest.fixture(scope="session")
def tls_cluster(place):
    cluster = TlsCluster(place)
    yield cluster
    cluster.stop("immediate")


@pytest.fixture(scope="session")
def tls_database(tls_cluster):
    return tls_cluster.database("tls")


@pytest.fixture(scope="session")
def tls_key(tls_database):
    return tls_database.organization("Far Ltd").key("live")
