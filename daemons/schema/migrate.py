"""Brings the database to the newest revision: `python -m daemons.schema.migrate`, with its address in the environment.

The only module that imports alembic. The service runs it as a process of its own.
"""

import os
from pathlib import Path

from alembic import command
from alembic.config import Config

_PACKAGE = Path(__file__).parents[1]
MIGRATIONS = next(
    folder for folder in (_PACKAGE / "migrations", _PACKAGE.parent / "migrations") if (folder / "env.py").exists()
)
"""Inside the package when it is installed, beside it in a checkout."""


def configuration(url: str | None = None) -> Config:
    """Return alembic's settings for the database at `url`, or at the address our own settings name."""
    config = Config()
    # Alembic's settings are an ini file's, where a percent sign means something.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    return config


if __name__ == "__main__":
    command.upgrade(configuration(os.environ["DAEMONDECK_DATABASE_URL"]), "head")
