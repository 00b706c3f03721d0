"""Makes a vision model of 0.4 MB in a folder, without a download: the real classes, with weights that mean nothing.

What it says is noise, so a test may look at the shape of an answer, never at its sense. By hand:
`python -m tests.vlm.tiny_model DIR`, then `transformers serve DIR` is a real server of it.
"""

import sys
from pathlib import Path

# The first, so that a model whose every score is equal says it at once: see `make_silent_model`.
_END = "<end_of_utterance>"
_SPECIAL = [_END, "<pad>", "<s>", "<image>", "<fake_token_around_image>", "<global-img>"]
_ROWS = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
_SENTENCE = "A photograph of a red house at the lake, with mountains, snow and two people in the foreground."
_TEMPLATE = (
    "{% for message in messages %}{{ message.role | capitalize }}:"
    "{% for part in message.content %}{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}" + _END + "\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
_EDGE, _PATCH, _SCALE = 64, 16, 2


def make_tiny_model(folder: Path, *, seed: int = 0) -> Path:
    """Write a model of the family of SmolVLM into `folder`, the same one for the same seed, and return `folder`."""
    _save(folder, seed, silent=False)
    return folder


def make_silent_model(folder: Path) -> Path:
    """Write a model into `folder` that ends its answer before the first word, and return `folder`."""
    _save(folder, 0, silent=True)
    return folder


def _save(folder: Path, seed: int, *, silent: bool) -> None:
    import torch
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration, Idefics3Processor
    from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

    tokenizer = _tokenizer()
    ids = {
        name: tokenizer.convert_tokens_to_ids(token)
        for name, token in (("pad_token_id", "<pad>"), ("bos_token_id", "<s>"), ("eos_token_id", _END))
    }
    layers = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    text = {"model_type": "llama", "vocab_size": len(tokenizer), "num_key_value_heads": 4, **layers, **ids}
    config = Idefics3Config(
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=_SCALE,
        tie_word_embeddings=False,
        vision_config={"image_size": _EDGE, "patch_size": _PATCH, **layers},
        text_config=text,
        **ids,
    )
    torch.manual_seed(seed)
    model = Idefics3ForConditionalGeneration(config)
    if silent:
        torch.nn.init.zeros_(model.model.text_model.norm.weight)
    model.save_pretrained(folder)
    edge = {"longest_edge": _EDGE}
    pixels = SmolVLMImageProcessorPil(do_image_splitting=False, size=edge, max_image_size=edge)
    length = (_EDGE // _PATCH) ** 2 // _SCALE**2
    Idefics3Processor(pixels, tokenizer, image_seq_len=length, chat_template=_TEMPLATE).save_pretrained(folder)


def _tokenizer():  # type: ignore[no-untyped-def]
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=[*_SPECIAL, *_ROWS], initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator([_SENTENCE], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        eos_token=_END,
        pad_token="<pad>",
        bos_token="<s>",
        additional_special_tokens=[*_SPECIAL[3:], *_ROWS],
    )
    tokenizer.fake_image_token = "<fake_token_around_image>"
    return tokenizer


if __name__ == "__main__":
    make_tiny_model(Path(sys.argv[1]))
