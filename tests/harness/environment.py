"""The keys of nodes in tests, and an environment that holds no setting of a node."""

import os

from slotgrid.runtime.settings import TABLE

KEY = "a-key-of-the-tests-7Qm2"
LINK_KEY = "a-key-of-the-links-9Zk4"
LOOPBACK = {"ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8"}
"""Opens this machine to pages and webhooks: the sites of the tests are on it."""
NO_CHROMIUM = "/nonexistent/chromium"
"""CHROMIUM_PATH of a worker that needs no browser: it starts at once."""


def clean_environment() -> dict[str, str]:
    """This process's environment without settings of nodes and of the command line."""
    settings = {row.env for row in TABLE.values()} | {"SLOTGRID_URL"}
    return {name: value for name, value in os.environ.items() if name not in settings}
