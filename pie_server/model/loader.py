"""Loads a local checkpoint directory: weights, tokenizer, chat template.

The directory has the layout of any Hugging Face checkpoint: `config.json`, one or more
`*.safetensors` (with `model.safetensors.index.json` when sharded), `tokenizer.json` and
`tokenizer_config.json`. Nothing is ever downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from pie_server.errors import CheckpointError
from pie_server.model.architectures import read_config
from pie_server.model.assembly import assemble
from pie_server.model.chat_template import ChatTemplate
from pie_server.model.config import ModelConfig
from pie_server.model.decoder import Decoder
from pie_server.model.linear import Quantization
from pie_server.model.tokenizer import Tokenizer
from pie_server.model.weight_files import OnProgress, WeightFiles, weight_paths

EMBEDDED = "embedded"
EMBEDDED_DIRECTORY = Path(__file__).parent / "embedded"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything that is needed to serve one model."""

    name: str
    model: Decoder
    tokenizer: Tokenizer
    chat_template: ChatTemplate

    @property
    def config(self) -> ModelConfig:
        """The model's shape."""
        return self.model.config


def load_checkpoint(
    source: str,
    *,
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
    quantization: Quantization | None = None,
    on_progress: OnProgress | None = None,
) -> Checkpoint:
    """Loads `source`: the word `embedded` or a checkpoint directory.

    Args:
        source: What to load.
        device: Default: CUDA if there is one, else the CPU.
        dtype: Default: float32 on the CPU (fastest for small models), bfloat16 on CUDA and with
            quantisation.
        quantization: `int8` stores the products' weights in one byte each, with a scale per output.
        on_progress: Called with bytes done and bytes in total while weights are read.

    Raises:
        CheckpointError: Something is missing, misshapen, truncated or not supported.
    """
    directory = EMBEDDED_DIRECTORY if source == EMBEDDED else Path(source).expanduser()
    if device is None:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if dtype is None:
        small = device.type == "cpu" and quantization is None
        dtype = torch.float32 if small else torch.bfloat16
    config = read_config(directory)
    tokenizer = Tokenizer.from_directory(directory)
    if tokenizer.size > config.vocab_size:
        raise CheckpointError(
            f"the tokenizer has {tokenizer.size} tokens, the model only {config.vocab_size}",
            hint="tokenizer.json belongs to another model.",
        )
    files = WeightFiles(
        weight_paths(directory), device=device, dtype=dtype, on_progress=on_progress
    )
    name = EMBEDDED if source == EMBEDDED else directory.resolve().name
    return Checkpoint(
        name,
        assemble(files, config, quantization),
        tokenizer,
        ChatTemplate.from_directory(directory),
    )
