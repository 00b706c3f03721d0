"""Why an image has no description; each is one failed item, never a failed batch."""

from daemons.errors import DaemonError, ErrorInfo


class ImageError(DaemonError):
    """The image could not be described."""

    code = "ERR_IMAGE"

    def info(self) -> ErrorInfo:
        """Return the error as it is stored: without a traceback, which tells nothing about a picture."""
        cause = self.__cause__
        detail = f"{type(cause).__name__}: {cause}" if cause else None
        return ErrorInfo(self.error_code, self.message, detail, self.remedy)


class FileMissing(ImageError):
    """The file is not there any more."""

    code = "ERR_FILE_MISSING"
    remedy = "Nothing, if it was moved or deleted on purpose. If a disk is not mounted, mount it and describe again."


class FileUnreadable(ImageError):
    """The file cannot be read."""

    code = "ERR_FILE_UNREADABLE"
    remedy = "Give the user that runs this program the right to read the file, or check the disk."


class NotAFile(ImageError):
    """This is not a regular file."""

    code = "ERR_NOT_A_FILE"
    remedy = "Put the picture itself there; links, pipes, devices and folders are not followed."


class FileChanged(ImageError):
    """The file changed while it was being read."""

    code = "ERR_FILE_CHANGED"
    remedy = "Describe it again once whatever writes it has finished."


class NotAnImage(ImageError):
    """The content of the file is not an image."""

    code = "ERR_NOT_AN_IMAGE"
    remedy = "Remove the file or give it the ending that fits its content."


class ImageUnsupported(ImageError):
    """This kind of image cannot be read here."""

    code = "ERR_IMAGE_UNSUPPORTED"
    remedy = "Convert it to JPEG, PNG, WebP, TIFF or AVIF."


class ImageTruncated(ImageError):
    """The image is cut off: its end is missing."""

    code = "ERR_IMAGE_TRUNCATED"
    remedy = "Copy or download it again from where it came from."


class ImageDamaged(ImageError):
    """The image is damaged and cannot be decoded."""

    code = "ERR_IMAGE_DAMAGED"
    remedy = "Copy it again from where it came from, or restore it from a backup."


class ImageTooLarge(ImageError):
    """The image has more pixels than are safe to decode."""

    code = "ERR_IMAGE_TOO_LARGE"
    remedy = "Save a smaller copy of it."
