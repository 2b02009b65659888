"""What the tests of published libraries share."""

import pytest

from published import node_libraries


@pytest.fixture(scope="session")
def libraries(tmp_path_factory):
    """A folder with the Node libraries of package.json."""
    return node_libraries(tmp_path_factory.mktemp("sdk"))


@pytest.fixture(scope="session")
def new_key(database):
    """A function: a live key of a new organization of that name; more are options of `key create`."""
    return lambda name, *more: database.organization(name).key("live", *more)


@pytest.fixture(scope="session")
def new_keys(new_key):
    """A function: keys of new organizations with and without limits, as the tests of one library want them in the environment."""
    limits = {"LIVE": (), "SLOW": ("--limit", "30/m burst 1"), "USED": ("--limit", "1/h")}
    return lambda name: {f"CLIENTELE_{kind}_KEY": new_key(f"{name} {kind}", *more) for kind, more in limits.items()}
