"""What models answer, made plain: some write web pages, some Markdown, some JSON, some a book."""

import html
import json
import re

from daemons.text import clean

TEXT_CHARACTERS = 4_000
READ_CHARACTERS = 20_000

_HIDDEN = re.compile(r"<(script|style|head|template)\b[^>]{0,1000}>.*?(?:</\1\s*>|\Z)", re.I | re.S)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.S)
_LINE_END = re.compile(r"<(?:br|/p|/div|/li|/h[1-6]|/tr)\b[^>]{0,200}>", re.I)
_TAG = re.compile(r"</?[a-z!?][^<>]{0,1000}>", re.I)
_FENCE = re.compile(r"^\s*(?:```|~~~).{0,40}$", re.M)
_HEADING = re.compile(r"^\s{0,3}(?:#{1,6}\s+|>\s?|[-*+]\s+(?=\S))", re.M)
_EMPHASIS = re.compile(r"(\*{1,3}|_{2,3}|`+)(?=\S)(.{1,300}?)(?<=\S)\1", re.S)
_LINK = re.compile(r"!?\[([^\[\]]{0,300})\]\([^()\s]{0,2000}\)")
_PREAMBLE = re.compile(
    r"^(?:sure[,!.]?|certainly[,!.]?|of course[,!.]?|here(?:'s| is)[^\n:]{0,100}:|(?:image )?description:|caption:)\s*",
    re.I,
)
_BLANK = re.compile(r"[^\S\n]+")
_NAMES = ("description", "caption", "text", "summary")


def plain(text: str, limit: int = TEXT_CHARACTERS) -> str:
    """Return what `text` says without markup, in at most `limit` characters, cut at the end of a sentence if it can."""
    text = _out_of_json(text[:READ_CHARACTERS])
    text = _COMMENT.sub(" ", _HIDDEN.sub(" ", text))
    text = html.unescape(_TAG.sub(" ", _LINE_END.sub("\n", text)))
    text = _EMPHASIS.sub(r"\2", _LINK.sub(r"\1", _HEADING.sub("", _FENCE.sub("", text))))
    lines = (_BLANK.sub(" ", line).strip() for line in text.splitlines())
    text = "\n".join(line for line in lines if line)
    for _ in range(3):
        text = _PREAMBLE.sub("", text)
    return _cut(clean(text.strip("\"“”'` \n"), READ_CHARACTERS, keep_newlines=True).strip(), limit)


def _out_of_json(text: str) -> str:
    bare = _FENCE.sub("", text).strip()
    if not bare.startswith(("{", '"')):
        return text
    try:
        said = json.loads(bare)
    except (ValueError, RecursionError):
        return text
    if isinstance(said, dict):
        said = next((said[name] for name in _NAMES if isinstance(said.get(name), str)), text)
    return said if isinstance(said, str) else text


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    end = max(head.rfind(mark) for mark in (". ", "! ", "? ", ".\n"))
    return head[: end + 1] if end > limit // 2 else head.rstrip() + "…"
