"""Trains the embedded model on a CPU and writes its weights in Hugging Face layout.

    python -m pie_scenarios.embedded_model.train WORK_DIRECTORY --tokenizer CHECKPOINT_DIRECTORY

The learning rate is warmed up, held, and decayed to zero over the last minutes of the wall-clock
budget; the file WORK_DIRECTORY/decay starts the decay at once. WORK_DIRECTORY/state.pt goes on
where a run stopped (`--resume`), also with other data; WORK_DIRECTORY/model.safetensors holds
the weights in bf16.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.multiprocessing.spawn import spawn
from torch.nn import functional

from pie_scenarios.embedded_model.batches import IGNORED, batches
from pie_scenarios.embedded_model.network import Network, Shape
from pie_scenarios.embedded_model.optimizer import Muon, split_parameters
from pie_scenarios.embedded_model.workers import Worker

MATRIX_RATE = 0.012
OTHER_RATE = 0.004
WARMUP_STEPS = 60
LEARNT_STEP = 256  # few shapes of the output product, as in `batches`
NOT_LEARNT = 0  # the first token of a batch is the start of a system turn
REPORT_EVERY_STEPS = 20
SAVE_EVERY_SECONDS = 150.0
STOP = -1.0


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a run may take, in wall-clock seconds since `started`."""

    started: float
    total_seconds: float
    decay_seconds: float

    def rate(self, step: int, now: float) -> float:
        """Return the share of the full learning rate for this step, or `STOP`."""
        left = self.started + self.total_seconds - now
        return min(1.0, (step + 1) / WARMUP_STEPS, left / self.decay_seconds) if left > 0 else STOP

    def decaying_now(self, now: float) -> Budget:
        """Return the budget whose decay begins now."""
        total = min(self.total_seconds, now - self.started + self.decay_seconds)
        return Budget(self.started, total, self.decay_seconds)


class Trainer:
    """Owns the network, its optimizers and the counts of steps and tokens."""

    def __init__(self, directory: Path, worker: Worker, *, resume: bool) -> None:
        self.directory, self.worker = directory, worker
        self.network = Network(Shape())
        matrices, others = split_parameters(self.network)
        self.optimizers = [
            Muon(matrices, lr=MATRIX_RATE, worker=worker),
            torch.optim.AdamW(
                others, lr=OTHER_RATE, betas=(0.9, 0.95), weight_decay=0.0, fused=True
            ),
        ]
        self.step = self.tokens = 0
        if resume:
            state = torch.load(directory / "state.pt")
            self.network.load_state_dict(state["network"])
            for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)
            self.step, self.tokens = state["step"], state["tokens"]

    def train(self, tokens: Tensor, targets: Tensor, rate: float) -> float:
        """Take one step and return this worker's mean loss of the learnt tokens."""
        learnt = (targets != IGNORED).flatten().nonzero().squeeze(1)
        learnt = functional.pad(learnt, (0, -len(learnt) % LEARNT_STEP), value=NOT_LEARNT)
        with torch.autocast("cpu", torch.bfloat16):
            hidden = self.network.hidden(tokens).flatten(0, 1)[learnt]
            logits = self.network.logits(hidden)
        loss = functional.cross_entropy(logits.float(), targets.flatten()[learnt])
        torch.autograd.backward(loss)
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        self.worker.sum(gradients, 1 / self.worker.count)
        for optimizer, full_rate in zip(self.optimizers, (MATRIX_RATE, OTHER_RATE), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = full_rate * rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.tokens += tokens.numel() * self.worker.count
        return loss.item()

    def save(self) -> None:
        """Write state.pt and model.safetensors, each replaced at once."""
        state = {
            "network": self.network.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "tokens": self.tokens,
        }
        torch.save(state, self.directory / "state.new")
        (self.directory / "state.new").rename(self.directory / "state.pt")
        weights = {
            name: tensor.to(torch.bfloat16).contiguous()
            for name, tensor in self.network.state_dict().items()
        }
        save_file(weights, self.directory / "model.new", metadata={"format": "pt"})
        (self.directory / "model.new").rename(self.directory / "model.safetensors")


def run(trainer: Trainer, budget: Budget, data: Iterator[tuple[Tensor, Tensor]]) -> None:
    """Train until the budget is spent; worker 0 keeps the time, reports and saves."""
    mean, saved, first = 0.0, time.monotonic(), trainer.step
    begun, leads = trainer.tokens, trainer.worker.rank == 0
    for tokens, targets in data:
        now = time.monotonic()
        if leads and (trainer.directory / "decay").exists():
            (trainer.directory / "decay").unlink()
            budget = budget.decaying_now(now)
        rate = trainer.worker.told_by_first(budget.rate(trainer.step, now))
        if rate == STOP:
            break
        loss = trainer.train(tokens, targets, rate)
        mean = loss if trainer.step == first + 1 else 0.95 * mean + 0.05 * loss
        if leads and trainer.step % REPORT_EVERY_STEPS == 0:
            speed = (trainer.tokens - begun) / (time.monotonic() - budget.started)
            print(
                f"step {trainer.step} tokens {trainer.tokens / 1e6:.2f}M loss {mean:.4f} "
                f"rate {rate:.3f} {speed:.0f} tokens/s",
                flush=True,
            )
        if leads and now - saved > SAVE_EVERY_SECONDS:
            trainer.save()
            saved = now
    if leads:
        trainer.save()


def work(rank: int, options: argparse.Namespace, meeting_file: Path) -> None:
    """Be one of the training processes."""
    worker = Worker(rank, options.workers)
    worker.join(meeting_file)
    torch.manual_seed(options.seed)
    tokenizer = Tokenizer.from_file(str(options.tokenizer / "tokenizer.json"))
    trainer = Trainer(options.directory, worker, resume=options.resume)
    budget = Budget(time.monotonic(), options.minutes * 60, options.decay_minutes * 60)
    seed = f"{options.seed}/{rank}"
    share = options.batch_tokens // worker.count
    run(trainer, budget, batches(tokenizer, seed, share, options.exercises))


def main() -> None:
    """Train as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--tokenizer", type=Path, required=True, help="a checkpoint directory")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--decay-minutes", type=float, default=15.0)
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--seed", type=int, default=1, help="another seed, other conversations")
    parser.add_argument("--exercises", type=float, default=0.03, help="share of exercises")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    meeting_file = options.directory / "meeting"
    meeting_file.unlink(missing_ok=True)
    spawn(work, (options, meeting_file.absolute()), nprocs=options.workers)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
