"""Asks a loaded model about one picture: within its time and tokens, and nothing but words comes back."""

from typing import Any

from PIL import Image

from daemons.clients.asking import Answer, Ask
from daemons.clients.chat_answers import ANSWER_CHARACTERS, without_thoughts
from daemons.clients.errors import AnswerCut, ImageFailed, ModelOnlyThought, ModelSaidNothing
from daemons.clock import SystemClock
from daemons.text import clean
from daemons.workflows.describe.local_errors import ModelOutOfMemory, ModelTooSlow
from daemons.workflows.describe.local_loading import Loaded


def answer(loaded: Loaded, picture: Image.Image, ask: Ask) -> Answer:
    """Return what the model says. Raises an ImageFailed: it said nothing, was too slow, ran out of memory."""
    clock = SystemClock()
    started = clock.monotonic()
    try:
        tokens, prompt_tokens = _generate(loaded, picture, ask, started + ask.timeout)
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":
            raise
        _free(loaded.device)
        raise ModelOutOfMemory from error
    seconds = clock.monotonic() - started
    if seconds > ask.timeout:
        raise ModelTooSlow(
            f"The model said {len(tokens)} tokens in {seconds:.0f} seconds; {ask.timeout:g} are allowed."
        )
    is_cut = len(tokens) >= ask.max_tokens and tokens[-1] not in _ends(loaded)
    text, has_thought = without_thoughts(loaded.processor.decode(tokens, skip_special_tokens=True))
    text = clean(text, ANSWER_CHARACTERS, keep_newlines=True).strip()
    if not text:
        raise _silence(is_cut=is_cut, has_thought=has_thought)
    return Answer(text, loaded.name, "length" if is_cut else "stop", prompt_tokens, len(tokens), round(seconds, 3))


def _generate(loaded: Loaded, picture: Image.Image, ask: Ask, deadline: float) -> tuple[list[int], int]:
    import torch

    inputs = _inputs(loaded, picture, ask.prompt)
    length = inputs["input_ids"].shape[1]
    sampling = {"do_sample": True, "temperature": ask.temperature} if ask.temperature > 0 else {"do_sample": False}
    with torch.inference_mode():
        output = loaded.model.generate(
            **inputs, max_new_tokens=ask.max_tokens, stopping_criteria=[_until(deadline)], **sampling
        )
    # A decoder repeats what it was given; an encoder and decoder say only what is new.
    start = 0 if loaded.model.config.is_encoder_decoder else length
    return output[0, start:].tolist(), length


def _inputs(loaded: Loaded, picture: Image.Image, prompt: str) -> Any:
    content = [{"type": "image", "image": picture}, {"type": "text", "text": _without_marks(loaded, prompt)}]
    inputs = loaded.processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    return inputs.to(loaded.device, dtype=loaded.dtype)


def _without_marks(loaded: Loaded, prompt: str) -> str:
    # `<image>` within a prompt would stand for a second picture, an end mark for the model's turn.
    tokenizer = loaded.processor.tokenizer
    for mark in {*tokenizer.all_special_tokens, *map(str, tokenizer.added_tokens_decoder.values())}:
        prompt = prompt.replace(mark, " ")
    return prompt


def _until(deadline: float) -> Any:
    import torch
    from transformers import StoppingCriteria

    class Until(StoppingCriteria):  # type: ignore[misc]
        clock = SystemClock()

        def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
            is_over = self.clock.monotonic() > deadline
            return torch.full((input_ids.shape[0],), is_over, device=input_ids.device, dtype=torch.bool)

    return Until()


def _ends(loaded: Loaded) -> set[int]:
    ends = loaded.model.generation_config.eos_token_id
    return set(ends) if isinstance(ends, list) else {ends}


def _silence(*, is_cut: bool, has_thought: bool) -> ImageFailed:
    if has_thought:
        return ModelOnlyThought()
    return AnswerCut() if is_cut else ModelSaidNothing()


def _free(device: str) -> None:
    import gc

    import torch

    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()
