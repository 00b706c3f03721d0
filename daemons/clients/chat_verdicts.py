"""What the statuses of an OpenAI-compatible server mean for whoever asked."""

from daemons.clients.base import as_sentence
from daemons.clients.chat_answers import Complaint
from daemons.clients.errors import BadAnswer, ModelRefused, ServerAway, ServerBusy, ServerRefuses
from daemons.errors import DaemonError

REFUSED_QUESTION = "ERR_SERVER_REFUSED_IMAGE"
_CONTEXT = "The picture and the prompt may be too long for the model: raise its context at the server."
_OPTIONAL = ("max_tokens", "temperature")


class KeyRefused(DaemonError):
    """The key is refused; another one may do."""

    code = "ERR_KEY_REFUSED"
    remedy = "Replace it in vision.api_key or vision.api_keys, and restart."


class ParameterRefused(DaemonError):
    """The model knows no such parameter, and does without."""

    code = "ERR_PARAMETER_REFUSED"

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def verdict(status: int, complaint: Complaint, retry_after: float | None, *, has_key: bool) -> DaemonError:
    """Return what to raise for an answer that is not 200."""
    said = as_sentence(f"The vision server answered {status}: {complaint.message}")
    if complaint.is_flagged and 400 <= status < 500:
        return ModelRefused(said)
    if status in (401, 402, 403) or (status == 429 and complaint.code == "insufficient_quota"):
        if has_key:
            return KeyRefused(said)
        return ServerRefuses(said, remedy="Set vision.api_key to a key of the server.", code="ERR_KEY_WANTED")
    if status in (429, 503, 529):
        return ServerBusy(said, retry_after, of_key=status == 429)
    if status == 404 and not complaint.is_page:
        return ServerRefuses(said, remedy="Choose a model that the server lists.", code="ERR_MODEL_UNKNOWN")
    if status in (404, 405, 410, 501):
        remedy = "Correct vision.url: it is the address of an OpenAI-compatible server, up to /v1."
        return ServerRefuses(said, remedy=remedy, code="ERR_NO_SUCH_CALL")
    return _doubt(status, complaint, said)


def away(doubt: BadAnswer) -> ServerAway:
    """Return what a bad answer means, once it is known that any picture gets one."""
    if doubt.error_code == REFUSED_QUESTION:
        remedy = "Check that the model is one of those the server lists, and that it can see pictures."
        return ServerRefuses(doubt.message, remedy=remedy)
    return ServerAway(doubt.message, remedy=doubt.remedy, code=doubt.error_code)


def _doubt(status: int, complaint: Complaint, said: str) -> DaemonError:
    """It may be this question, or any: to be found out."""
    if status in (408, 409, 425) or status >= 500:
        # A gateway that waited in vain would do so again.
        return BadAnswer(said, code="ERR_SERVER_FAILED", may_pass=status != 504)
    if complaint.param in _OPTIONAL and status in (400, 422):
        return ParameterRefused(complaint.param, said)
    is_long = "context" in (complaint.code or "") or "context" in complaint.message.lower()
    return BadAnswer(said, code=REFUSED_QUESTION, remedy=_CONTEXT if is_long else None)
