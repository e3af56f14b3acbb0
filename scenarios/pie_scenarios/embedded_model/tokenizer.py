"""Trains the byte-level BPE tokenizer on generated conversations and writes its files.

Every digit is a token of its own and never carries the space before it, so a number has the
same tokens wherever it stands and can be copied digit by digit.

    python -m pie_scenarios.embedded_model.tokenizer DIRECTORY
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from pie_scenarios.embedded_model.conversations import conversation
from pie_scenarios.embedded_model.network import Shape
from pie_scenarios.embedded_model.template import CHAT_TEMPLATE, MARKUP_TOKENS, SPECIAL_TOKENS

VOCAB_SIZE = 2048
TRAINING_CONVERSATIONS = 20_000
WORDS = r"\p{N}| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s"
END_OF_TURN, PADDING = "<|im_end|>", "<|endoftext|>"


def train(conversations: int = TRAINING_CONVERSATIONS) -> Tokenizer:
    """Train a tokenizer on that many training conversations."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    added = [AddedToken(text, normalized=False, special=True) for text in SPECIAL_TOKENS]
    added += [AddedToken(text, normalized=False, special=False) for text in MARKUP_TOKENS]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE - len(added),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_plain_texts(conversations), trainer)
    tokenizer.add_special_tokens(added[: len(SPECIAL_TOKENS)])
    tokenizer.add_tokens(added[len(SPECIAL_TOKENS) :])
    return tokenizer


def _plain_texts(conversations: int) -> Iterator[str]:
    for index in range(conversations):
        text = "".join(segment.text for segment in conversation(f"tokenizer/{index}"))
        for markup in (*SPECIAL_TOKENS, *MARKUP_TOKENS):
            text = text.replace(markup, "\n")
        yield text


def save(tokenizer: Tokenizer, directory: Path) -> None:
    """Write tokenizer.json, tokenizer_config.json, config.json and generation_config.json."""
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(directory / "tokenizer.json"))
    end, padding = tokenizer.token_to_id(END_OF_TURN), tokenizer.token_to_id(PADDING)
    ids = {"bos_token_id": None, "eos_token_id": end, "pad_token_id": padding}
    _write(
        directory / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": None,
            "eos_token": END_OF_TURN,
            "pad_token": PADDING,
            "unk_token": None,
            "add_bos_token": False,
            "clean_up_tokenization_spaces": False,
            "model_max_length": Shape().max_position_embeddings,
            "chat_template": CHAT_TEMPLATE,
        },
    )
    _write(directory / "config.json", {**Shape().config(), **ids})
    _write(directory / "generation_config.json", {"do_sample": False, **ids})


def _write(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Train the tokenizer and write it into the directory of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    save(train(), parser.parse_args().directory)


if __name__ == "__main__":
    main()
