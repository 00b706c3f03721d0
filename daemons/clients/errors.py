"""How asking another system can fail, told apart by what the caller should do.

DaemonError
    NotConfigured       no such system is set: do nothing until a person sets it
    ServerAway          it cannot be asked now, whatever the question: wait, then ask again
        ServerBusy      it said so itself
        ServerRefuses   a person has to mend something: a key, the model, the address
    BadAnswer           an answer was lost or makes no sense; whose fault that is, is not known
    ImageFailed         the server works, and this picture alone has no description
        ModelRefused · ModelSaidNothing · ModelOnlyThought · AnswerCut · ImageRefused
"""

from daemons.errors import Conflict, DaemonError, Permanent


class NotConfigured(Conflict, Permanent):
    """Not configured."""

    code = "ERR_NOT_CONFIGURED"

    def __init__(self, setting: str) -> None:
        self.setting = setting
        variable = f"DAEMONDECK_{setting.replace('.', '__').upper()}"
        super().__init__(
            f"Not configured: set {setting}.", remedy=f"It belongs into daemondeck.toml, or into {variable}."
        )


class ServerAway(DaemonError):
    """The server cannot be reached."""

    code = "ERR_SERVER_AWAY"
    remedy = "Start the server; the work goes on by itself."
    retry_after: float | None = None
    """Seconds the server asked to be left alone, if it said so."""


class ServerBusy(ServerAway):
    """The server is busy."""

    code = "ERR_SERVER_BUSY"
    remedy = "Wait; the work goes on by itself."

    def __init__(self, message: str, retry_after: float | None = None, *, of_key: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.is_of_key = of_key
        """Whether the key was used too much, so that another may do."""


class ServerRefuses(ServerAway):
    """The server refuses whatever it is asked."""

    code = "ERR_SERVER_REFUSES"


class BadAnswer(DaemonError):
    """The server's answer cannot be used."""

    code = "ERR_BAD_ANSWER"
    remedy = "Look into the server's own log."

    def __init__(
        self, message: str, *, code: str | None = None, remedy: str | None = None, may_pass: bool = False
    ) -> None:
        super().__init__(message, code=code, remedy=remedy)
        self.may_pass = may_pass
        """Whether the same question may well be answered at the next try."""


class ImageFailed(Permanent):
    """There is no description of this picture."""

    code = "ERR_IMAGE_FAILED"


class ImageRefused(ImageFailed):
    """The server does not take this picture."""

    code = "ERR_SERVER_REFUSED_IMAGE"
    remedy = "Open the picture elsewhere to see whether it is damaged, or have it described by another model."


class ModelRefused(ImageFailed):
    """The model refuses to describe this picture."""

    code = "ERR_MODEL_REFUSED"
    remedy = "Change the prompt, or have the picture described by another model."


class ModelSaidNothing(ImageFailed):
    """The model said nothing about this picture."""

    code = "ERR_MODEL_SAID_NOTHING"
    remedy = "Check that the model can see pictures; describe it again, or with another prompt."


class ModelOnlyThought(ImageFailed):
    """The model thought, but said nothing."""

    code = "ERR_MODEL_ONLY_THOUGHT"
    remedy = "Raise max_tokens, turn thinking off at the server, or take a model that does not think."


class AnswerCut(ImageFailed):
    """The model used all the tokens it had before it said anything."""

    code = "ERR_ANSWER_CUT"
    remedy = "Raise max_tokens."
