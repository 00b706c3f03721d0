"""What is behind an error of a library: the system's own word, a certificate's fault."""

import os
import ssl
from typing import Any


def cause_of(error: BaseException | None, kind: type[Any]) -> Any:
    """Return the first error of that kind among `error` and its causes, None where there is none."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error


def reason_of(error: BaseException) -> str:
    """Return the system's own word for it, which libraries wrap in vaguer ones."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.errno is not None:
            return os.strerror(inner.errno) if inner.errno > 0 else inner.strerror or str(inner)
        inner = inner.__cause__ or inner.__context__
    return str(error)


def tls_words(error: ssl.SSLError) -> str:
    """Return what is wrong with a certificate or a handshake."""
    words: str = getattr(error, "verify_message", "") or error.reason or str(error)
    return words.replace("_", " ").lower()
