"""Text techniques of the library: each has the property that defines it, on the real engine."""

from __future__ import annotations

import ast
import math
import random
import re
from typing import Any

import pytest

from pie_server.errors import GuestRaised
from tests.inferlets.library_runs import module_of, run
from tests.inferlets.real_engine import RealRunner
from tests.inferlets.real_engine import embedded as embedded
from tests.inferlets.real_engine import tiny as tiny

OPEN_PROMPT = "Tell me something."

SCORE = """
from inferlet import *

async def main(input):
    model = Model.load("embedded")
    prompt = Context(model).system("You are a helpful assistant.").user(input["prompt"]).cue()
    begin, tokens = prompt.buffer(), input["tokens"]
    forward = Context(model).forward().input([*begin, *tokens[:-1]])
    probes = [forward.probe(i, Logprob(t)) for i, t in enumerate(tokens, len(begin) - 1)]
    out = await forward.execute()
    return sum(out.logprob(probe) for probe in probes)
"""


async def logprob_of(runner: RealRunner, prompt: str, tokens: list[int]) -> Any:
    """Log-probability of an answer, from one forward pass over all of it."""
    return await runner(SCORE, {"prompt": prompt, "tokens": tokens})  # type: ignore[dict-item]


async def test_best_of_n_is_repeatable_and_only_gains_by_more_answers(embedded: RealRunner) -> None:
    given = {"prompt": OPEN_PROMPT, "temperature": 1.5, "seed": 3, "max_tokens": 20}
    few = await run(embedded, "best-of-n", n=3, **given)
    many = await run(embedded, "best-of-n", n=9, **given)
    again = await run(embedded, "best-of-n", n=9, **given)
    texts = [[reply["text"] for reply in r["candidates"]] for r in (few, many, again)]
    assert texts[0] == texts[1][:3]
    assert texts[1] == texts[2]
    assert len(set(texts[1])) > 1
    assert many["mean_logprob"] == max(c["mean_logprob"] for c in many["candidates"])
    assert many["mean_logprob"] >= few["mean_logprob"] - 1e-6


async def test_one_beam_is_greedy_decoding(embedded: RealRunner) -> None:
    greedy = await run(embedded, "text-completion", prompt=OPEN_PROMPT)
    one = await run(embedded, "beam-search", prompt=OPEN_PROMPT, beams=1)
    assert one["text"] == greedy
    logprob = await logprob_of(embedded, OPEN_PROMPT, one["tokens"])
    assert one["logprob"] == pytest.approx(logprob, abs=1e-3)


async def test_several_beams_find_what_greedy_decoding_misses(tiny: RealRunner) -> None:
    """A random model is unsure everywhere, so its greedy answer is hardly ever the best one."""
    logprobs = []
    for beams in (1, 4, 16):
        result = await run(tiny, "beam-search", prompt="abc", beams=beams, max_tokens=6)
        logprobs.append(result["logprob"])
    assert logprobs[0] < logprobs[1] <= logprobs[2]


async def test_a_length_penalty_of_one_compares_log_probabilities_per_token(
    embedded: RealRunner,
) -> None:
    result = await run(embedded, "beam-search", prompt=OPEN_PROMPT, length_penalty=1)
    assert result["score"] == pytest.approx(result["logprob"] / len(result["tokens"]))


async def test_the_detector_tells_marked_text_from_unmarked(embedded: RealRunner) -> None:
    given = {"prompt": OPEN_PROMPT, "temperature": 2.0, "min_tokens": 150, "max_tokens": 150}
    marked = await run(embedded, "watermarking", **given)
    plain = await run(embedded, "watermarking", strength=0, **given)
    assert marked["marked"]
    assert not plain["marked"]
    found = await run(embedded, "watermarking", detect=marked["text"])
    assert found["marked"]
    other_key = await run(embedded, "watermarking", detect=marked["text"], key="guessed")
    assert not other_key["marked"]


def test_a_share_of_the_vocabulary_is_green_and_depends_on_the_token_before() -> None:
    is_green = module_of("watermarking").is_green
    for share in (0.25, 0.5):
        greens = [{t for t in range(4000) if is_green("k", p, t, share)} for p in (1, 2)]
        assert all(abs(len(green) / 4000 - share) < 0.03 for green in greens)
        both = len(greens[0] & greens[1]) / 4000
        assert abs(both - share**2) < 0.03


async def test_answers_that_do_not_fit_are_taken_back(embedded: RealRunner) -> None:
    given = {"prompt": OPEN_PROMPT, "temperature": 2.0, "attempts": 30, "seed": 1}
    anything = await run(embedded, "output-validation", pattern=".*", **given)
    assert (anything["attempts"], anything["rejected"]) == (1, [])
    # Whatever was said first is refused; attempts are sampled as if it had never been said.
    refused = re.escape(anything["text"])
    result = await run(embedded, "output-validation", pattern=f"(?!{refused}$).*", **given)
    assert result["text"] != anything["text"]
    assert set(result["rejected"]) == {anything["text"]}
    alone = await run(
        embedded, "output-validation", pattern=".*",
        **given | {"seed": given["seed"] + result["attempts"] - 1},
    )  # fmt: skip
    assert alone["text"] == result["text"]


async def test_validation_gives_up_and_shows_what_was_said(embedded: RealRunner) -> None:
    with pytest.raises(GuestRaised, match="no answer of 2 matches"):
        await run(
            embedded, "output-validation",
            prompt="Hello!", pattern="never", attempts=2, feedback="Say never.",
        )  # fmt: skip


async def test_a_template_keeps_its_fixed_text_and_its_patterns(embedded: RealRunner) -> None:
    template = (
        '{"word": "{{word:[a-z]{3,5}}}", "year": {{year:[0-9]{4}}}, "same": "{{word}}"} {{end}}'
    )
    result = await run(embedded, "template-generation", template=template, max_tokens=12)
    values = result["values"]
    assert re.fullmatch("[a-z]{3,5}", values["word"])
    assert re.fullmatch("[0-9]{4}", values["year"])
    filled = template.replace("{{word:[a-z]{3,5}}}", values["word"])
    filled = filled.replace("{{year:[0-9]{4}}}", values["year"]).replace("{{word}}", values["word"])
    assert result["text"] == filled.replace("{{end}}", values["end"])
    assert "\n" not in values["end"]


async def test_a_hole_is_filled_with_what_the_model_would_say(embedded: RealRunner) -> None:
    said = await run(embedded, "text-completion", prompt="Hello!")
    first, second, third, *rest = re.split("(?= )", said)
    template = f"{first}{second}{{{{hole}}}}{''.join(rest)}"
    result = await run(embedded, "template-generation", prompt="Hello!", template=template)
    assert result == {"text": said, "values": {"hole": third}}


SUMS = r"""
root ::= term (" + " term){1,3}
term ::= [1-9][0-9]{0,2} | "(" root ")"
"""


async def test_what_a_grammar_allows_is_all_that_is_said(embedded: RealRunner) -> None:
    for seed in range(3):
        text = await run(
            embedded, "grammar", prompt="Add!", grammar=SUMS, temperature=1.0, seed=seed
        )
        assert " + " in text
        tree = ast.parse(text, mode="eval")
        leaves = {type(node) for node in ast.walk(tree.body)}
        assert leaves == {ast.BinOp, ast.Add, ast.Constant}


async def test_a_sentence_that_is_cut_off_is_an_error(embedded: RealRunner) -> None:
    with pytest.raises(GuestRaised, match="cut off after 2 tokens"):
        await run(embedded, "grammar", prompt="?", grammar='root ::= "a b c d e f g"', max_tokens=2)


@pytest.mark.parametrize(
    "how", [{"sampler": "min-p", "min_p": 1.0}, {"sampler": "mirostat", "surprise": 0}]
)
async def test_samplers_of_the_inferlet_are_greedy_at_their_limit(
    embedded: RealRunner, how: dict[str, Any]
) -> None:
    greedy = await run(embedded, "text-completion", prompt=OPEN_PROMPT)
    result = await run(embedded, "custom-samplers", prompt=OPEN_PROMPT, **how)
    assert result["text"] == greedy


async def test_samplers_of_the_inferlet_repeat_themselves_by_seed(embedded: RealRunner) -> None:
    given = {"prompt": OPEN_PROMPT, "sampler": "typical", "temperature": 1.5, "max_tokens": 20}
    texts = [await run(embedded, "custom-samplers", seed=s, **given) for s in (0, 1, 2, 3, 0)]
    assert texts[0]["tokens"] == texts[-1]["tokens"]
    assert len({result["text"] for result in texts}) > 1


def test_min_p_keeps_what_is_probable_beside_the_best() -> None:
    candidates = [(7, 0.4), (1, 0.2), (3, 0.19), (2, 0.01)]
    assert module_of("custom-samplers").MinP(0.5).keep(candidates) == candidates[:2]
    assert module_of("custom-samplers").MinP(0.0).keep(candidates) == candidates


def zipf(size: int) -> list[tuple[int, float]]:
    weights = [1 / (rank + 2) for rank in range(size)]
    return [(token, weight / sum(weights)) for token, weight in enumerate(weights)]


def test_mirostat_steers_the_surprise_to_its_target() -> None:
    candidates = zipf(5000)
    draw = random.Random(1)
    for target in (5.0, 6.0, 7.0):
        rule = module_of("custom-samplers").Mirostat(target, 0.1)
        total = 0.0
        for _ in range(3000):
            kept = rule.keep(candidates)
            [(_, probability)] = draw.choices(kept, [p for _, p in kept])
            rule.learn(probability)
            total -= math.log2(probability)
        assert total / 3000 == pytest.approx(target, abs=0.15)


def test_typical_sampling_leaves_out_the_most_probable_token_where_it_is_no_surprise() -> None:
    candidates = [(0, 0.4), *((token, 0.05) for token in range(1, 13))]
    kept = module_of("custom-samplers").Typical(0.5).keep(candidates)
    assert 0 not in {token for token, _ in kept}
    assert 0.5 <= sum(p for _, p in kept) <= 0.55
    everything = module_of("custom-samplers").Typical(1.0).keep(candidates)
    assert sorted(everything) == candidates


async def test_guidance_goes_from_the_negative_prompt_to_the_positive_and_beyond(
    embedded: RealRunner,
) -> None:
    given = {"prompt": "Who are you?", "negative": "What is 3 + 4?"}
    ratios = []
    for scale in (0.0, 1.0, 3.0):
        result = await run(embedded, "contrastive-decoding", scale=scale, candidates=0, **given)
        ratios.append(result["log_likelihood_ratio"] / max(1, len(result["tokens"])))
        if scale < 2:
            prompt = given["prompt" if scale else "negative"]
            assert result["text"] == await run(embedded, "text-completion", prompt=prompt)
    assert ratios[0] < 0 < ratios[1] <= ratios[2] + 1e-6
