"""What may come in as text: the same for every database, and fit to be shown."""

import re

# Controls; marks that turn the direction of what follows; surrogates, which are half a character each.
_NEVER_SHOWN = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_UNSHOWN = re.compile(f"\r\n|[{_NEVER_SHOWN}]")
_UNSHOWN_IN_A_LINE = re.compile(f"\r\n|[{_NEVER_SHOWN}\t\n\u2028\u2029]")
_MARKS = {"\r\n": "⏎", "\n": "⏎", "\r": "⏎", "\u2028": "⏎", "\u2029": "⏎", "\t": " ", "\x7f": "␡"}


def clean(text: str, limit: int, *, keep_newlines: bool = False) -> str:
    """Return `text` with visible marks for what cannot be stored or shown, cut to `limit` characters ending in "…".

    One line, unless `keep_newlines`. Bytes that were no UTF-8 when Python read them come out as \\xNN.
    """
    if len(text) <= limit and text.isprintable():
        return text
    # No character becomes fewer than one, but for a line's end of two: one more than `limit` decides the cut.
    head = text[: limit + 1]
    marked = (_UNSHOWN if keep_newlines else _UNSHOWN_IN_A_LINE).sub(
        _mark_between_lines if keep_newlines else _mark, head
    )
    if len(marked) <= limit and len(head) == len(text):
        return marked
    return marked[: limit - 1] + "…" if limit > 0 else ""


def own_words(message: str) -> str:
    """Return what whoever checked a value said, without what Pydantic puts before it."""
    return message.replace("Value error, ", "", 1)


def last_states(text: str) -> str:
    """Return `text` as a terminal would have left it: a line that was written over and over shows its last state."""
    if "\r" not in text:
        return text
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)


def _mark(found: re.Match[str]) -> str:
    character = found[0]
    if mark := _MARKS.get(character):
        return mark
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if 0xD800 <= code <= 0xDFFF:
        return "\N{REPLACEMENT CHARACTER}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _mark_between_lines(found: re.Match[str]) -> str:
    return "\n" if found[0] in ("\r\n", "\r") else _mark(found)
