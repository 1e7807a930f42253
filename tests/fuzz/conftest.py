"""The server and the shelf, once for all tests of a process."""

from collections.abc import Iterator

import pytest

from .command import Server
from .shelf import Shelf


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of commands."""
    server = Server(tmp_path_factory.mktemp("fuzz") / "server")
    yield server
    server.close()


@pytest.fixture(scope="session")
def shelf(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Small models, runs, sweeps and reports."""
    return Shelf(server, tmp_path_factory.mktemp("fuzz") / "shelf")
