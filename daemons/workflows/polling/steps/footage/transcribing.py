"""Has a server write down what is said around a frame, in its stretch of the clip."""

from functools import partial
from pathlib import Path

from daemons.clients.errors import NotConfigured
from daemons.clients.transcription import TranscriptionClient
from daemons.folders.paths import disk_path
from daemons.workflows.polling.film.errors import FootageError, NoSound
from daemons.workflows.polling.ladder import Outcome, StepContext
from daemons.workflows.polling.records import Record
from daemons.workflows.polling.steps.file_threads import GoOn, in_thread
from daemons.workflows.polling.steps.footage.asking import ask_about_film, look_at
from daemons.workflows.polling.steps.footage.frame_files import folder_of, remove, wired

SILENCE = 0.004
"""How loud, of 1, the loudest moment has to be: models of speech make up words for silence."""
SHORTEST = 0.2
"""Seconds of sound in which a word may be."""
_OPEN_END = 1e9


async def transcribing(ctx: StepContext, record: Record) -> Outcome:
    """Return what is said. Where there is no sound, or no server to write it down, the note says so."""
    if not record.fields.get("has_audio"):
        return _skipped("The clip has no sound.")
    if not ctx.options.transcribe:
        return _skipped("Speech is not written down: the option transcribe is off.")
    try:
        client = ctx.client(TranscriptionClient)
    except NotConfigured as missing:
        return _skipped(f"Speech is not written down. {missing.message}")
    clip = record.fields["clip"]
    await look_at(disk_path(clip))
    file = folder_of(ctx, record.parent_id or record.id) / f"{record.id}.flac"
    try:
        return await _written_down(ctx, client, record, clip, file)
    finally:
        await remove([file])


async def _written_down(
    ctx: StepContext, client: TranscriptionClient, record: Record, clip: str, file: Path
) -> Outcome:
    begin, end = record.fields["begin"], record.fields.get("end") or _OPEN_END
    try:
        (made,) = await ask_about_film(
            ctx, {"do": "sound", "path": clip, "to": wired(file), "begin": begin, "end": end}
        )
    except FootageError as error:
        if error.error_code == NoSound.code:
            return _skipped("The clip has no sound.")
        raise
    if made["seconds"] < SHORTEST or made["peak"] < SILENCE:
        return _skipped("Nothing is to be heard.")
    transcript = await client.transcribe(await in_thread(partial(_read, file)))
    fields = {
        "transcript": transcript.text or None,
        "transcript_language": transcript.language,
        "transcript_model": transcript.model,
    }
    return Outcome(fields, note=None if transcript.text else "Nobody speaks.")


def _skipped(why: str) -> Outcome:
    return Outcome({"transcript": None, "transcript_language": None, "transcript_model": None}, note=why)


def _read(file: Path, go_on: GoOn) -> bytes:
    return file.read_bytes()
