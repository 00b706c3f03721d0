"""How the record names what was done: the same words whether a page, a program or a command did it."""

_VERBS = {"POST": "add", "PUT": "change", "PATCH": "change", "DELETE": "remove"}


def action_of(call: str) -> str:
    """Return "daemon start" for "POST /api/daemons/{name}/start", "token remove" for "DELETE /api/tokens/{name}"."""
    method, _, path = call.partition(" ")
    words = [word for word in path.removeprefix("/api").split("/") if word and not word.startswith("{")]
    if not path.startswith("/api/"):
        return " ".join(words) or method
    noun = words[0] if words[0] == "me" else words[0].removesuffix("s")
    return " ".join([noun, *words[1:]] if len(words) > 1 else [noun, _VERBS.get(method, method)])
