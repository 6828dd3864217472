"""One PostgreSQL for all of these tests, a database of its own for each."""

from collections.abc import Iterator

import pytest

from tests.harness.processes.postgres import Postgres, postgres


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Postgres]:
    """The server of those tests that leave it alone."""
    with postgres() as server:
        yield server


@pytest.fixture
def database_url(shared_server: Postgres) -> str:
    """The URL of an empty database."""
    return shared_server.create_database()


@pytest.fixture
def own_server() -> Iterator[Postgres]:
    """A server that the test may stop, kill or freeze."""
    with postgres() as server:
        yield server
