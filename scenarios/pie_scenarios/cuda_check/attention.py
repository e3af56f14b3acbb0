"""Attention on a device against float64, with the error that rounding to the dtype explains.

Runs the same plans as the engine. Slots that no row attends to are filled with large values, so
that a kernel which reads one of them is far off.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from pie_server.engine.attention import BatchLayout, attention_for
from pie_server.engine.attention.decode_tables import DecodeTables
from pie_server.engine.attention.interface import HiddenSpan

# An output is a rounded sum of values under rounded weights, which are sums of rounded scores. A
# kernel rounds at most at these places; a wrong mask is off by far more.
ALLOWED = 4.0
_POISON = 1000.0
_KV_HEADS = 2
_GROUPS = (1, 4, 8)


@dataclass(frozen=True, slots=True)
class Case:
    """A batch to try.

    Attributes:
        rows: (tokens fed, tokens attended to) of each row.
        window: Of the layer.
        hide: What the tokens of each row do not see; nothing by default.
    """

    name: str
    rows: Sequence[tuple[int, int]]
    window: int | None = None
    hide: Callable[[int, int], list[HiddenSpan]] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The worst of a case's outputs.

    Attributes:
        error: Largest absolute difference to float64.
        explained: What rounding explains at that place.
        ratio: Largest of all errors over what is explained there.
    """

    case: str
    dtype: str
    group: int
    page_size_tokens: int
    pages: str
    error: float
    explained: float
    ratio: float

    @property
    def passed(self) -> bool:
        """NaN does not pass."""
        return self.ratio <= ALLOWED


def _tree(query: int, length: int) -> list[HiddenSpan]:
    """A binary tree behind a context: a token sees the context, its ancestors and itself."""
    base, spans = length - query, []
    for node in range(query):
        ancestors, above = {node}, node
        while above:
            above = (above - 1) // 2
            ancestors.add(above)
        ranges = [(base + n, base + n + 1) for n in range(node) if n not in ancestors]
        spans.append((node, node + 1, tuple(ranges)))
    return spans


def _middle(query: int, length: int) -> list[HiddenSpan]:
    """An attention sink and the most recent tokens stay."""
    first, stop = 4, length - query - 8
    return [(0, query, ((first, stop),))] if stop > first else []


CASES = (
    Case("prefill", ((37, 37), (5, 5), (130, 130))),
    Case("chunked", ((16, 100), (64, 200), (3, 700))),
    Case("decode", ((1, 1), (1, 17), (1, 300), (1, 1023))),
    Case("decode of a long context", ((1, 5000),)),
    Case("mixed", ((1, 40), (30, 30), (1, 513), (12, 90))),
    Case("window", ((1, 40), (30, 30), (1, 513), (12, 190), (80, 80)), window=64),
    Case("hidden ranges", ((1, 200), (20, 64), (1, 40), (9, 9)), hide=_middle),
    Case("trees", ((15, 60), (7, 7), (1, 90)), hide=_tree),
)


def run_cases(
    device: torch.device, dtypes: Sequence[torch.dtype], page_sizes: Sequence[int]
) -> Iterator[Outcome]:
    """Every case with every dtype, group size and page layout."""
    for dtype in dtypes:
        for size in page_sizes:
            for group in _GROUPS:
                for case in CASES:
                    for scattered in (False, True):
                        yield run_case(case, device, dtype, group, size, scattered=scattered)


@torch.inference_mode()
def run_case(
    case: Case,
    device: torch.device,
    dtype: torch.dtype,
    group: int,
    page_size_tokens: int,
    *,
    scattered: bool,
    head_dim: int = 64,
) -> Outcome:
    """One case; decode steps go through the plan that graphs replay as well."""
    layout = _layout(case, device, page_size_tokens, scattered=scattered)
    generator = torch.Generator().manual_seed(7)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).to(device, dtype)

    slots = (max(max(pages) for pages in layout.pages) + 2) * page_size_tokens
    query = normal(sum(layout.query_lengths), _KV_HEADS * group, head_dim)
    keys, values = normal(slots, _KV_HEADS, head_dim), normal(slots, _KV_HEADS, head_dim)
    used = torch.zeros(slots, dtype=torch.bool)
    for row in range(len(layout.pages)):
        used[_slots(layout, row)] = True
    values[~used.to(device)] = _POISON
    backend = attention_for(device)
    found = [backend.plan(layout).run(query, keys, values, window_tokens=case.window)]
    if max(layout.query_lengths) == 1:
        tables = DecodeTables.of(layout.pages, layout.kv_lengths, page_size_tokens, device)
        padding = query.new_zeros(len(tables.lengths) - len(query), *query.shape[1:])
        plan = backend.decode_plan(tables)
        found.append(plan.run(torch.cat((query, padding)), keys, values)[: len(query)])
    expected, explained = _reference(layout, query, keys, values, case.window)
    # NaN is the largest of all here.
    errors = torch.stack([(output.double() - expected).abs() for output in found]).amax(dim=0)
    worst = int((errors / explained).argmax())
    return Outcome(
        case.name,
        str(dtype).removeprefix("torch."),
        group,
        page_size_tokens,
        "scattered" if scattered else "contiguous",
        errors.max().item(),
        explained.flatten()[worst].item(),
        (errors / explained).max().item(),
    )


def _layout(
    case: Case, device: torch.device, page_size_tokens: int, *, scattered: bool
) -> BatchLayout:
    counts = [-(-length // page_size_tokens) for _, length in case.rows]
    free = list(range(1, 1 + 2 * sum(counts)))
    if scattered:
        random.Random(3).shuffle(free)
    pages = [[free.pop(0) for _ in range(count)] for count in counts]
    hidden: dict[int, Sequence[HiddenSpan]] = {}
    for row, (query, length) in enumerate(case.rows):
        spans = case.hide(query, length) if case.hide else []
        if spans:
            hidden[row] = spans
    queries, lengths = [query for query, _ in case.rows], [length for _, length in case.rows]
    return BatchLayout(queries, lengths, pages, page_size_tokens, device, hidden)


def _slots(layout: BatchLayout, row: int) -> torch.Tensor:
    size = layout.page_size_tokens
    every = torch.tensor(layout.pages[row])[:, None] * size + torch.arange(size)
    return every.flatten()[: layout.kv_lengths[row]]


def _reference(
    layout: BatchLayout,
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    window: int | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The outputs by the definition, and the error that the dtype's rounding explains, float64."""
    group, scale = query.shape[1] // keys.shape[1], query.shape[2] ** -0.5
    unit = torch.finfo(query.dtype).eps / 2
    outputs, bounds, flat = [], [], 0
    for row, count in enumerate(layout.query_lengths):
        slots = _slots(layout, row).to(keys.device)
        key, value = (
            cache[slots].double().repeat_interleave(group, dim=1) for cache in (keys, values)
        )
        scores = torch.einsum("qhd,khd->hqk", query[flat : flat + count].double(), key) * scale
        hidden = ~_visible(layout, row, window).to(keys.device)
        weights = scores.masked_fill(hidden, -torch.inf).softmax(dim=-1)
        output = torch.einsum("hqk,khd->qhd", weights, value)
        size = torch.einsum("hqk,khd->qhd", weights, value.abs())
        outputs.append(output)
        bounds.append(unit * (output.abs() + size))
        flat += count
    return torch.cat(outputs), torch.cat(bounds)


def _visible(layout: BatchLayout, row: int, window: int | None) -> torch.Tensor:
    """[tokens fed, tokens attended to] by the definition in `BatchLayout`."""
    count, length = layout.query_lengths[row], layout.kv_lengths[row]
    own = torch.arange(length - count, length)[:, None]
    slots = torch.arange(length)
    visible = slots <= own
    if window is not None:
        visible &= slots > own - window
    for first, stop, ranges in layout.hidden.get(row, ()):
        for low, high in ranges:
            visible[first:stop, low:high] = False
    return visible
