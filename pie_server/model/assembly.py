"""Builds a decoder from a checkpoint's tensors: which tensor goes where, and what is stacked.

The names are those of Hugging Face's checkpoints, which all supported families share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the name every reader of torch code knows

from pie_server.model.config import LayerOptions, ModelConfig
from pie_server.model.decoder import Decoder, DecoderWeights, Layer
from pie_server.model.feed_forward import FeedForward, GatedBlock, Mixture
from pie_server.model.linear import Int8Linear, Linear, Quantization, make_linear
from pie_server.model.norm import RmsNorm
from pie_server.model.weight_files import WeightFiles

_EMBEDDING, _HEAD = "model.embed_tokens.weight", "lm_head.weight"


def assemble(
    files: WeightFiles, config: ModelConfig, quantization: Quantization | None = None
) -> Decoder:
    """The decoder that `config` describes, with the tensors of `files`.

    Raises:
        CheckpointError: A tensor is missing, extra or of another shape.
    """
    parts = _Parts(files, config, quantization)
    embedding, head = parts.ends()
    layers = [parts.layer(index, options) for index, options in enumerate(config.layer_options)]
    weights = DecoderWeights(embedding, layers, parts.norm("model.norm"), head)
    for name in files.names():
        if name.endswith("rotary_emb.inv_freq"):  # old checkpoints store what is computed
            files.drop(name)
    files.finish()
    return Decoder(config, weights, device=files.device, dtype=files.dtype)


@dataclass(frozen=True, slots=True)
class _Parts:
    """Takes the parts of a model out of its files."""

    files: WeightFiles
    config: ModelConfig
    quantization: Quantization | None

    def ends(self) -> tuple[Callable[[torch.Tensor], torch.Tensor], Linear]:
        """The embedding and the head, which share their weight when tied."""
        shape = (self.config.vocab_size, self.config.hidden_size)
        table = self.files.take(_EMBEDDING, *shape)
        if not self.config.tied_embeddings:
            head = make_linear(self.files.take(_HEAD, *shape), None, self.quantization)
            return _lookup(table), head
        self.files.drop(_HEAD)  # some checkpoints store it all the same
        head = make_linear(table, None, self.quantization)
        return head.rows if isinstance(head, Int8Linear) else _lookup(table), head

    def layer(self, index: int, options: LayerOptions) -> Layer:
        """One decoder layer."""
        config, prefix = self.config, f"model.layers.{index}."
        attention = prefix + "self_attn."
        sandwich = config.sandwich_norms
        # With sandwich norms, Llama's "post attention" norm really stands after the attention.
        before, after = (
            ("pre_feedforward_layernorm", "post_attention_layernorm")
            if sandwich
            else ("post_attention_layernorm", None)
        )
        return Layer(
            options=options,
            attention_norm=self.norm(prefix + "input_layernorm"),
            qkv=self.linear(
                [attention + name for name in ("q_proj", "k_proj", "v_proj")],
                [config.query_size, config.kv_size, config.kv_size],
                config.hidden_size,
                bias=config.qkv_bias,
            ),
            query_key_norm=self.query_key_norm(attention) if config.query_key_norms else None,
            output=self.linear(
                [attention + "o_proj"],
                [config.hidden_size],
                config.query_size,
                bias=config.output_bias,
            ),
            attention_end_norm=self.norm(prefix + after) if after else None,
            feed_forward_norm=self.norm(prefix + before),
            feed_forward=self.feed_forward(prefix + "mlp.", sparse=options.sparse),
            feed_forward_end_norm=(
                self.norm(prefix + "post_feedforward_layernorm") if sandwich else None
            ),
        )

    def feed_forward(self, prefix: str, *, sparse: bool) -> FeedForward:
        """A gated block or a mixture."""
        mixture = self.config.mixture
        if not sparse or mixture is None:
            return self.gated_block(prefix, self.config.intermediate_size)
        router = self.files.take(prefix + "gate.weight", mixture.experts, self.config.hidden_size)
        experts = (
            self.fused_experts(prefix + "experts.")
            if prefix + "experts.gate_up_proj" in self.files
            else [
                self.gated_block(f"{prefix}experts.{number}.", mixture.intermediate_size)
                for number in range(mixture.experts)
            ]
        )
        return Mixture(router, experts, mixture)

    def gated_block(self, prefix: str, inner: int) -> GatedBlock:
        """A gated block with inner width `inner`."""
        hidden, bias = self.config.hidden_size, self.config.mlp_bias
        return GatedBlock(
            self.linear(
                [prefix + "gate_proj", prefix + "up_proj"], [inner, inner], hidden, bias=bias
            ),
            self.linear([prefix + "down_proj"], [hidden], inner, bias=bias),
            self.config.activation,
        )

    def fused_experts(self, prefix: str) -> list[GatedBlock]:
        """All experts of a layer from two tensors."""
        mixture, hidden = self.config.mixture, self.config.hidden_size
        assert mixture is not None
        count, inner = mixture.experts, mixture.intermediate_size
        gate_up = self.files.take(prefix + "gate_up_proj", count, 2 * inner, hidden)
        down = self.files.take(prefix + "down_proj", count, hidden, inner)
        return [
            GatedBlock(
                make_linear(gate_up[number], None, self.quantization),
                make_linear(down[number], None, self.quantization),
                self.config.activation,
            )
            for number in range(count)
        ]

    def linear(
        self, names: Sequence[str], outputs: Sequence[int], inputs: int, *, bias: bool
    ) -> Linear:
        """One product from one or several stored ones."""
        weight = self.files.take_stacked([name + ".weight" for name in names], outputs, inputs)
        offset = None
        if bias:
            offset = self.files.take_stacked([name + ".bias" for name in names], outputs)
        return make_linear(weight, offset, self.quantization)

    def query_key_norm(self, attention: str) -> RmsNorm:
        """Both norms as one over all query and key heads."""
        config = self.config
        query = self.files.take(attention + "q_norm.weight", config.head_dim)
        key = self.files.take(attention + "k_norm.weight", config.head_dim)
        weight = torch.cat((query.expand(config.query_heads, -1), key.expand(config.kv_heads, -1)))
        return RmsNorm(weight, config.norm_epsilon, around_one=config.norms_around_one)

    def norm(self, name: str) -> RmsNorm:
        """A norm over the hidden size."""
        weight = self.files.take(name + ".weight", self.config.hidden_size)
        return RmsNorm(weight, self.config.norm_epsilon, around_one=self.config.norms_around_one)


def _lookup(table: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda tokens: F.embedding(tokens, table)
