"""The model that the other tests describe with is a real one, small enough to be made for each run."""

from pathlib import Path


def test_the_tiny_model_is_one_of_the_real_family(tiny_model: Path) -> None:
    from transformers import AutoConfig

    files = {file.name for file in tiny_model.iterdir()}

    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"} <= files
    assert sum(file.stat().st_size for file in tiny_model.iterdir()) < 1_000_000
    assert AutoConfig.from_pretrained(tiny_model).model_type == "idefics3"
