"""Where the page's files are, and the content-hash names under which browsers may keep them for ever."""

import hashlib
import os
from pathlib import Path, PurePosixPath

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_PACKAGE = Path(__file__).parent
#: Inside the package when installed from a wheel, beside it in a checkout.
TEMPLATES = next(
    (folder for folder in (_PACKAGE / "templates", _PACKAGE.parent / "templates") if folder.is_dir()),
    _PACKAGE / "templates",
)
STATIC = _PACKAGE / "static"

_FOR_EVER = "public, max-age=31536000, immutable"


class Assets(StaticFiles):
    """Serves the static files, each only under the name that holds its content's hash: mount it at /static."""

    def __init__(self, folder: Path = STATIC) -> None:
        super().__init__(directory=folder)
        files = (path for path in sorted(folder.rglob("*")) if path.is_file())
        self._hashed = {path.relative_to(folder).as_posix(): _hashed_name(path, folder) for path in files}
        self._plain = {hashed: plain for plain, hashed in self._hashed.items()}

    def name(self, path: str) -> str:
        """Return the name under which `path` is served: "app.css" → "app.3f1c09ab52de.css"."""
        try:
            return self._hashed[path]
        except KeyError:
            raise FileNotFoundError(
                f"There is no {path} among the page's files. If it lies in vendor/, run `make install`."
            ) from None

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        plain = self._plain.get(path)
        return super().lookup_path(plain) if plain is not None else ("", None)

    def file_response(
        self, full_path: os.PathLike[str] | str, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = _FOR_EVER
        return response


def _hashed_name(path: Path, folder: Path) -> str:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    relative = PurePosixPath(path.relative_to(folder).as_posix())
    return str(relative.with_name(f"{relative.stem}.{digest}{relative.suffix}"))
