"""A real nginx before a deck, set up in one of the ways people do."""

import shutil
import subprocess
from pathlib import Path
from typing import Self

import httpx2

from tests.chaos.deck_process import free_port

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
_UPGRADE = 'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";'
_CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port}{tls};
    location /deck/ {{
      proxy_pass http://127.0.0.1:{behind}{path};
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_read_timeout {idle_seconds}s;
      {upgrade}
    }}
  }}
}}
"""


class Nginx:
    """Serves the deck below /deck, from enter to exit.

    `strips`: takes /deck off before it asks; `upgrades`: lets sockets through; `idle_seconds`: cuts what is silent
    for longer; `is_tls`: speaks https, with a certificate of its own making.
    """

    def __init__(self, folder: Path, *, strips: bool = False, idle_seconds: int = 60, is_tls: bool = False) -> None:
        self._folder, self._strips, self._idle, self._tls = folder, strips, idle_seconds, is_tls
        self.port = free_port()
        self.origin = f"{'https' if is_tls else 'http'}://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir()
        if self._tls:
            names = ["-subj", "/CN=127.0.0.1", "-keyout", str(self._folder / "key"), "-out", str(self._folder / "crt")]
            command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *names]
            subprocess.run(command, check=True, capture_output=True)
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop()

    def start(self, behind: int, *, upgrades: bool = True) -> None:
        """Return once it serves the deck on the port `behind`."""
        assert NGINX is not None
        files = f" ssl; ssl_certificate {self._folder}/crt; ssl_certificate_key {self._folder}/key"
        text = _CONFIGURATION.format(
            folder=self._folder,
            port=self.port,
            tls=files if self._tls else "",
            behind=behind,
            path="/" if self._strips else "",
            idle_seconds=self._idle,
            upgrade=_UPGRADE if upgrades else "",
        )
        (self._folder / "conf").write_text(text)
        self._process = subprocess.Popen([NGINX, "-p", str(self._folder), "-c", str(self._folder / "conf")])
        transport = httpx2.HTTPTransport(verify=False, retries=6)  # connects again, later each time
        with httpx2.Client(transport=transport, trust_env=False) as client:
            assert client.get(f"{self.origin}/deck/healthz").is_success

    def stop(self) -> None:
        """End it. Safe to call twice."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
