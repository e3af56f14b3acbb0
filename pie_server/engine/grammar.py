"""Grammars that constrain a generation, by llguidance: compiled once, followed by many.

`GrammarCompiler` turns a source into a `Grammar` off the event loop, bounded and cached; a
`Matcher` is one generation's place in it. Masks are bits over the vocabulary, 32 to an int32.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence

import tokenizers
import torch
import trio
from llguidance import LLMatcher, LLParserLimits, LLTokenizer

from pie_server.engine.grammar_sources import GrammarSource, Regex, ToolMarkup
from pie_server.errors import CheckpointError, InvalidGrammar
from pie_server.model.tool_formats import ToolFormat

MOST_GRAMMAR_CHARACTERS = 256 * 1024  # a long list of tools with their schemas is a tenth of it
CACHED_GRAMMARS = 64  # of one model; the lexer of a large one can hold tens of megabytes
COMPILER_THREADS = trio.CapacityLimiter(1)  # compiling must not take the cores from decoding

# At llguidance's own rates (14-50 k units a millisecond, 1-2 kB a state): 20 ms to build a lexer,
# 15 ms for the worst single mask, 20 MB of lexer states.
_LIMITS = LLParserLimits(
    initial_lexer_fuel=1_000_000,
    step_lexer_fuel=200_000,
    step_max_items=50_000,
    max_lexer_states=20_000,
    max_grammar_size=200_000,
    verbose_errors=False,
)


class GrammarCompiler:
    """Compiles grammars for one model.

    Args:
        tokenizer: The model's.
        vocab_size: Width of its logits, at least the tokenizer's size.
        eos_tokens: What may be sampled where the grammar allows the end.
        tool_format: How the model writes tool calls.

    Raises:
        CheckpointError: There is no end-of-sequence token, or the vocabulary is too small.
    """

    def __init__(
        self,
        tokenizer: tokenizers.Tokenizer,
        vocab_size: int,
        eos_tokens: Sequence[int],
        tool_format: ToolFormat = ToolFormat.HERMES,
    ) -> None:
        size = tokenizer.get_vocab_size(with_added_tokens=True)
        if size > vocab_size:
            raise CheckpointError(
                f"the tokenizer has {size} tokens, the model's logits are for {vocab_size}"
            )
        if not eos_tokens:
            raise CheckpointError("grammars need an end-of-sequence token, the model names none")
        self._tokenizer = tokenizer
        self._vocab_size = vocab_size
        self._eos_tokens = tuple(eos_tokens)
        self._llguidance: LLTokenizer | None = None
        self._markup = ToolMarkup(tool_format)
        self._cache: OrderedDict[str, Grammar] = OrderedDict()
        # Invariant: a source that is being compiled is compiled by no one else.
        self._compiling = trio.Lock()

    async def compile(self, source: GrammarSource) -> Grammar:
        """The grammar of `source`, from the cache or made in a worker thread.

        Raises:
            InvalidGrammar: It is too large, cannot be compiled or allows nothing at all.
        """
        key = source.key()
        if len(key) > MOST_GRAMMAR_CHARACTERS:
            raise InvalidGrammar(
                f"the grammar has {len(key)} characters, it may have {MOST_GRAMMAR_CHARACTERS}"
            )
        if key not in self._cache:
            async with self._compiling:
                if key not in self._cache:
                    # The limits end a compilation within milliseconds, so it need not be abandoned.
                    self._cache[key] = await trio.to_thread.run_sync(
                        self._compile, source, limiter=COMPILER_THREADS
                    )
                    if len(self._cache) > CACHED_GRAMMARS:
                        self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        return self._cache[key]

    def _compile(self, source: GrammarSource) -> Grammar:
        if self._llguidance is None:
            self._llguidance = self._build_tokenizer()
        text = source.translate(self._markup)
        prototype = LLMatcher(self._llguidance, text, log_level=0, limits=_LIMITS)
        if prototype.is_error():
            raise _refusal(prototype.get_error(), in_regex=isinstance(source, Regex))
        grammar = Grammar(prototype, self._vocab_size, self._eos_tokens)
        grammar.matcher().fill_mask(empty_masks(1, self._vocab_size)[0])
        return grammar

    def _build_tokenizer(self) -> LLTokenizer:
        built = LLTokenizer(
            self._tokenizer.to_str(), n_vocab=self._vocab_size, eos_token=list(self._eos_tokens)
        )
        self._markup = ToolMarkup.of(self._markup.tool_format, self._tokenizer, built)
        return built


class Grammar:
    """A compiled grammar. Immutable; any number of matchers may follow it at the same time."""

    def __init__(self, prototype: LLMatcher, vocab_size: int, eos_tokens: Sequence[int]) -> None:
        self._prototype = prototype
        self.vocab_size = vocab_size
        self.eos_tokens = frozenset(eos_tokens)
        allowed = torch.zeros(32 * mask_words(vocab_size), dtype=torch.int64)
        allowed[list(eos_tokens)] = 1
        weights = torch.tensor([1 << bit if bit < 31 else -(1 << 31) for bit in range(32)])
        self.eos_mask = (allowed.view(-1, 32) * weights).sum(dim=1).to(torch.int32)

    def matcher(self) -> Matcher:
        """A new matcher at the beginning."""
        return Matcher(self, self.start())

    def start(self) -> LLMatcher:
        """A matcher of the library's own at the beginning."""
        return self._prototype.deep_copy()


class Matcher:
    """One generation's place in a grammar. Not thread-safe: whoever has the state has it.

    An end-of-sequence token where the grammar allows the end is accepted, and then nothing but
    end-of-sequence tokens: a step may be under way before the host has read that it is the end.
    """

    __slots__ = ("_ended", "_grammar", "_tokens", "inner")

    def __init__(self, grammar: Grammar, inner: LLMatcher) -> None:
        self._grammar = grammar
        self._tokens: list[int] = []  # what `inner` has consumed
        self._ended = 0  # end-of-sequence tokens since; `inner` never sees them
        self.inner = inner

    @property
    def vocab_size(self) -> int:
        """Width of the masks, in bits."""
        return self._grammar.vocab_size

    @property
    def consumed_tokens(self) -> int:
        """Tokens accepted and not rolled back."""
        return len(self._tokens) + self._ended

    @property
    def ended(self) -> bool:
        """Whether an end-of-sequence token was accepted."""
        return self._ended > 0

    @property
    def is_accepting(self) -> bool:
        """Whether what was accepted so far is a whole sentence of the grammar."""
        return self.ended or self.inner.is_accepting()

    @property
    def is_stopped(self) -> bool:
        """Whether nothing can follow but the end."""
        return self.ended or self.inner.is_stopped()

    def accept(self, token: int) -> bool:
        """Advances over `token`; False, and no change, if the grammar does not allow it."""
        if token in self._grammar.eos_tokens and self.is_accepting:
            self._ended += 1
            return True
        if self.ended or self.inner.try_consume_tokens([token]) != 1:
            return False
        self._tokens.append(token)
        return True

    def rollback(self, tokens: int) -> None:
        """Takes back the last `tokens` accepted tokens, of which there must be as many.

        Also leads out of a dead end that `fill_mask` has found.
        """
        if not 0 <= tokens <= self.consumed_tokens:
            raise ValueError(f"cannot take back {tokens} of {self.consumed_tokens} tokens")
        ends = min(tokens, self._ended)
        self._ended -= ends
        keep = len(self._tokens) - (tokens - ends)
        if self.inner.is_error() or not self.inner.rollback(len(self._tokens) - keep):
            # llguidance never leaves an error, so the way there is walked again.
            self.inner = self._grammar.start()
            self.inner.try_consume_tokens(self._tokens[:keep])
        del self._tokens[keep:]

    def fill_mask(self, row: torch.Tensor) -> None:
        """Writes which tokens may follow.

        Args:
            row: [words] int32, contiguous, on the CPU.

        Raises:
            InvalidGrammar: No token at all may follow, or the grammar is too complex to say.
        """
        if self.ended:
            row.copy_(self._grammar.eos_mask)
            return
        self.inner.unsafe_compute_mask_ptr(row.data_ptr(), row.numel() * row.element_size())
        self.check()

    def check(self) -> None:
        """Raises what the computation of a mask has found wrong.

        Raises:
            InvalidGrammar: As for `fill_mask`.
        """
        if not self.inner.is_error():
            return
        reason = self.inner.get_error().split("\n", 1)[0]
        place: dict[str, object] = {"tokens": self.consumed_tokens}
        if reason.startswith("NoExtension"):
            raise InvalidGrammar(
                f"the grammar allows no token after {self.consumed_tokens} tokens",
                hint="Two of its parts exclude each other there.",
                details=place,
            )
        raise InvalidGrammar(
            f"the grammar cannot be followed after {self.consumed_tokens} tokens: {reason}",
            hint="It is too complex; fewer alternatives or bounded repetitions help.",
            details=place,
        )

    def forced_tokens(self) -> list[int]:
        """Tokens that must follow, exactly as the tokenizer would write them; often none."""
        return [] if self.ended else self.inner.compute_ff_tokens()

    def copy(self) -> Matcher:
        """An independent matcher at the same place."""
        twin = Matcher(self._grammar, self.inner.deep_copy())
        twin._tokens, twin._ended = list(self._tokens), self._ended
        return twin


def mask_words(vocab_size: int) -> int:
    """int32 words of one mask."""
    return (vocab_size + 31) // 32


def empty_masks(rows: int, vocab_size: int) -> torch.Tensor:
    """[rows, words] int32 masks that allow everything."""
    return torch.full((rows, mask_words(vocab_size)), -1, dtype=torch.int32)


def _refusal(error: str, *, in_regex: bool) -> InvalidGrammar:
    """One of our errors from the library's text: its first line says what, its caret where."""
    lines = error.splitlines()
    details: dict[str, object] = {}
    place = re.match(r"(?:at )?(\d+)\((\d+)\): ", lines[0])
    reason = lines[0][place.end() :] if place else lines[0]
    explained = next((line for line in lines if line.startswith("error: ")), None)
    if in_regex:
        reason = explained.removeprefix("error: ") if explained else reason
        caret = next((line for line in lines if line.strip(" ^") == "" and "^" in line), None)
        if caret is not None and explained:
            details["position"] = caret.index("^") - 4  # the pattern is indented by four
    elif place:
        details |= {"line": int(place[1]), "column": int(place[2])}
        reason = f"line {place[1]}, column {place[2]}: {reason}"
        if explained:
            reason = f"{reason} {explained.removeprefix('error: ')}"
    return InvalidGrammar(f"the grammar does not compile: {reason}", details=details)
