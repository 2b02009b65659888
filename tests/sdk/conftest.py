"""What the tests of published libraries share."""

import pytest

from published import node_libraries


@pytest.fixture(scope="session")
def libraries(tmp_path_factory):
    """A folder with the Node libraries of package.json."""
    return node_libraries(tmp_path_factory.mktemp("sdk"))


@pytest.fixture(scope="session")
def new_key(database):
    """A function: a live key of a new organization of that name."""
    return lambda name: database.organization(name).key("live")
