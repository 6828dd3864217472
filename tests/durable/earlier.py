"""What earlier versions of the program left when they were killed at work.

Each fixture is the database of a node with two slots: one task has ended, one has ended and its
webhook was tried once, two run (`sure` may run twice), two wait.
"""

import lzma
from pathlib import Path

import sqlalchemy as sa

FIXTURES = Path(__file__).parent / "fixtures"
TOLD = "http://127.0.0.1:9/"
"""Where the fixtures' webhook goes; nobody is there."""


def unpack(version: int, folder: Path, told: str) -> Path:
    """The database as a file of that folder, its webhook's URL replaced."""
    file = folder / "slotgrid.sqlite"
    file.parent.mkdir(parents=True)
    file.write_bytes(lzma.decompress((FIXTURES / f"v{version}-under-way.sqlite.xz").read_bytes()))
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        moved = connection.execute(
            sa.text("UPDATE slotgrid_tasks SET body = replace(body, :old, :new)"),
            {"old": TOLD, "new": told},
        )
        assert moved.rowcount == 6
    engine.dispose()
    return file
