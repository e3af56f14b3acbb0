"""The embedded model's data, chat format and checkpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import tokenizers
import torch

import pie_server
from pie_scenarios.embedded_model import (
    chains,
    conversations,
    evaluate,
    failures,
    joint_lookups,
    names,
    operations,
    parallel,
    program_kinds,
    smalltalk,
    stories,
    template,
    topics,
    wording,
)
from pie_scenarios.embedded_model.draw import SHARED_NUMBERS, Draw, Phrases, phrases, split_of
from pie_scenarios.embedded_model.exchange import CALCULATOR, PYTHON, SEARCH
from pie_scenarios.embedded_model.local_generator import LocalGenerator, load_network
from pie_scenarios.embedded_model.tooling import altered

CHECKPOINT = Path(next(iter(pie_server.__path__))) / "model" / "embedded"
TOOLS = (CALCULATOR, SEARCH, PYTHON)
MODULES = (
    chains,
    failures,
    joint_lookups,
    names,
    operations,
    parallel,
    program_kinds,
    smalltalk,
    stories,
    topics,
    wording,
)


def text_of(seed: int) -> str:
    return "".join(segment.text for segment in conversations.conversation(seed))


@pytest.fixture(scope="module")
def tokenizer() -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_file(str(CHECKPOINT / "tokenizer.json"))


def tables_of_phrases(value: object) -> list[Phrases]:
    if isinstance(value, Phrases):
        return [value]
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple):
        return [found for part in value for found in tables_of_phrases(part)]
    names_of = getattr(type(value), "__dataclass_fields__", ())
    return [found for name in names_of for found in tables_of_phrases(getattr(value, name))]


def test_a_seed_always_gives_the_same_conversation() -> None:
    assert [text_of(seed) for seed in range(20)] == [text_of(seed) for seed in range(20)]


def test_seeds_give_different_conversations() -> None:
    assert len({text_of(seed) for seed in range(200)}) > 190


def test_no_phrasing_is_both_trained_and_held_out() -> None:
    tables = [t for module in MODULES for t in tables_of_phrases(tuple(vars(module).values()))]
    assert len(tables) > 80
    for table in tables:
        assert table.train
        assert table.held_out
        assert not {Draw(seed, "train").phrase(table) for seed in range(200)} & set(table.held_out)


def test_alternatives_of_a_wording_are_all_drawn() -> None:
    table = phrases("(Hi|Hello,)( there|) {x}!\nHey", "Hello, {x}!")
    drawn = {Draw(seed, "train").phrase(table) for seed in range(100)}
    assert drawn == {"Hi there {x}!", "Hello, there {x}!", "Hi {x}!", "Hey"}


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_numbers_and_words_are_drawn_from_their_own_split(split: str) -> None:
    draw = Draw(0, split)  # type: ignore[arg-type]
    for _ in range(300):
        number = draw.number(2, 9999)
        assert number <= SHARED_NUMBERS or number % 5 == 0 or split_of(str(number)) == split
        assert split_of(draw.word()) == split


def test_training_never_draws_a_name_of_the_evaluation() -> None:
    drawn = {names.person(Draw(seed, "train")) for seed in range(400)}
    assert not drawn & set(names.PEOPLE.held_out)


def test_altered_results_differ_and_keep_their_form() -> None:
    for result in ("7", "1554", "-3.25", "True", "Monday", "[2, 3, 5]"):
        assert altered(result) != result
        assert altered(result) == altered(result)
    assert re.fullmatch(r"\d{4}", altered("1554"))
    assert altered("53") == altered("53.0")
    assert altered("error: division by zero") == "error: division by zero"


def test_every_markup_token_is_one_token(tokenizer: tokenizers.Tokenizer) -> None:
    for text in (*template.SPECIAL_TOKENS, *template.MARKUP_TOKENS):
        assert len(tokenizer.encode(text).ids) == 1


def test_tokenizing_segments_equals_tokenizing_the_conversation(
    tokenizer: tokenizers.Tokenizer,
) -> None:
    for seed in range(30):
        segments = conversations.conversation(seed)
        parts = [token for s in segments for token in tokenizer.encode(s.text).ids]
        whole = "".join(segment.text for segment in segments)
        assert parts == tokenizer.encode(whole).ids
        assert tokenizer.decode(parts, skip_special_tokens=False) == whole


def test_the_template_renders_what_the_model_was_trained_on() -> None:
    transformers = pytest.importorskip("transformers")
    loaded = transformers.AutoTokenizer.from_pretrained(CHECKPOINT)
    schemas = [conversations.schema(tool) for tool in TOOLS]
    calls = [(CALCULATOR, {"expression": "23*47"}), (PYTHON, {"code": "print('a<b')"})]
    shaped = [
        {"type": "function", "function": {"name": calls[0][0], "arguments": calls[0][1]}},
        {"type": "function", "function": {"name": PYTHON, "arguments": json.dumps(calls[1][1])}},
    ]
    messages = [
        {"role": "system", "content": conversations.REACT_SYSTEM},
        {"role": "user", "content": "What is 23 * 47?"},
        {"role": "assistant", "content": "Let me see.", "tool_calls": shaped},
        {"role": "tool", "tool_call_id": "1", "content": "1081"},
        {"role": "tool", "tool_call_id": "2", "content": "a<b"},
        {"role": "assistant", "content": "It is 1081."},
        {"role": "user", "content": "Thanks"},
    ]
    rendered = loaded.apply_chat_template(
        messages,
        tools=[{"type": "function", "function": schema} for schema in schemas],
        tokenize=False,
        add_generation_prompt=True,
    )
    assert rendered == (
        template.system_turn(conversations.REACT_SYSTEM, schemas)
        + template.user_turn("What is 23 * 47?")
        + template.ASSISTANT_START
        + template.calls_text(calls, "Let me see.")
        + template.TURN_END
        + template.tool_turn(["1081", "a<b"])
        + template.ASSISTANT_START
        + "It is 1081."
        + template.TURN_END
        + template.user_turn("Thanks")
        + template.ASSISTANT_START
    )
    without = loaded.apply_chat_template([messages[1]], tokenize=False)
    assert without.startswith(f"<|im_start|>system\n{template.DEFAULT_SYSTEM}<|im_end|>")


def test_the_checkpoint_gives_the_same_logits_in_transformers(
    tokenizer: tokenizers.Tokenizer,
) -> None:
    transformers = pytest.importorskip("transformers")
    ids = torch.tensor([tokenizer.encode(text_of(3)).ids[:200]])
    theirs = transformers.AutoModelForCausalLM.from_pretrained(CHECKPOINT, dtype=torch.float32)
    ours = load_network(CHECKPOINT)
    with torch.inference_mode():
        difference = theirs(ids).logits - ours.logits(ours.hidden(ids))
    assert difference.abs().max() < 1e-3
    assert theirs.config.tie_word_embeddings
    assert theirs.generation_config.eos_token_id == tokenizer.token_to_id("<|im_end|>")


def test_the_weights_are_small_enough_to_ship() -> None:
    assert (CHECKPOINT / "model.safetensors").stat().st_size < 20_000_000


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Matrices this small only lose time to a second thread, most of all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_the_model_answers_most_held_out_questions(tokenizer: tokenizers.Tokenizer) -> None:
    (end,) = tokenizer.encode("<|im_end|>").ids
    model = LocalGenerator(load_network(CHECKPOINT), end)
    rows = evaluate.evaluate(model, tokenizer, ["calculation", "chain", "lookup"], 5, "test")
    for mode in ("real", "altered"):
        assert sum(sum(outcomes[mode]) for outcomes in rows.values()) >= 11


def test_an_answer_holds_a_value_as_a_number_or_as_whole_words() -> None:
    assert evaluate.holds("It is 53.", "53.0")
    assert not evaluate.holds("It is 530.", "53")
    assert evaluate.holds("The ferry leaves at 14:20.", "14:20")
    assert not evaluate.holds("The ferry leaves at 14:20.", "4:20")
    assert evaluate.holds("the mayor is karin dahl.", "Karin Dahl")
