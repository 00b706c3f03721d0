"""Why a clip cannot be worked with. Importing this needs none of the libraries that read films."""

from daemons.errors import Permanent


class FootageError(Permanent):
    """The clip cannot be worked with."""

    code = "ERR_FOOTAGE"
    remedy = "Play the file elsewhere to see whether it is whole."


class FootageNotInstalled(FootageError):
    """Reading films needs PyAV, which is not installed."""

    code = "ERR_FOOTAGE_NOT_INSTALLED"
    remedy = "pip install 'daemondeck[footage]'"


class NotFootage(FootageError):
    """The content of the file is no film that can be read here."""

    code = "ERR_NOT_FOOTAGE"
    remedy = "Remove the file, or convert it to MP4, MOV or MKV."


class NoVideo(FootageError):
    """The file has no video stream."""

    code = "ERR_NO_VIDEO"
    remedy = "Remove the file, or export it again with its picture."


class NoSound(FootageError):
    """The file has no sound."""

    code = "ERR_NO_SOUND"
    remedy = "Nothing, if it was filmed without."


class CodecUnknown(FootageError):
    """The film is coded in a way that cannot be read here."""

    code = "ERR_CODEC_UNKNOWN"
    remedy = "Convert it to H.264 in MP4 or MOV."


class FootageTruncated(FootageError):
    """The film is cut off: a part of it is missing."""

    code = "ERR_FOOTAGE_TRUNCATED"
    remedy = "Copy it again from the card or the disk it came from."


class FootageDamaged(FootageError):
    """The film is damaged and cannot be decoded."""

    code = "ERR_FOOTAGE_DAMAGED"
    remedy = "Copy it again from where it came from, or restore it from a backup."


class FootageTooLarge(FootageError):
    """The film has more pixels than are safe to decode."""

    code = "ERR_FOOTAGE_TOO_LARGE"
    remedy = "Convert it to a smaller size."


HOPELESS = frozenset(
    {
        *(kind.code for kind in FootageError.__subclasses__()),
        FootageError.code,
        "ERR_NOT_A_FILE",
    }
)
"""Codes of what another try would find just the same."""
