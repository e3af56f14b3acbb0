"""Every setting of the server, with one order of precedence: flags > environment > file > defaults.

A setting `drain_seconds` is the flag `--drain-seconds`, the variable `PIE_DRAIN_SECONDS` and the
key `drain_seconds` of the TOML file. All mistakes are reported together.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

import platformdirs

from pie_server.errors import ConfigurationError

ENVIRONMENT_PREFIX = "PIE_"
_APP = "trio-pie-server"
# How a truth value may be written in the environment.
_TRUTH: dict[str, bool] = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


def _setting(default: object, help: str, choices: tuple[str, ...] = ()) -> Any:
    return field(default=default, metadata={"help": help, "choices": choices})


@dataclass(frozen=True, slots=True)
class Config:
    """All settings. Times are seconds, sizes are bytes where the name says so."""

    host: str = _setting("127.0.0.1", "Address to listen on.")
    port: int = _setting(8080, "Port to listen on; 0 takes a free one.")
    model: str = _setting(
        "embedded",
        "'embedded' or a checkpoint directory (Hugging Face layout); several with commas between, "
        "each with a pool of its own, the first is the default.",
    )
    dtype: str = _setting(
        "auto",
        "Weights and KV: auto is float32 on the CPU and bfloat16 on CUDA.",
        ("auto", "float32", "bfloat16", "float16"),
    )
    quantization: str = _setting("none", "int8: weights of one byte.", ("none", "int8"))
    adapters: str = _setting(
        "", "Directory with LoRA adapters of the first model: one PEFT directory each."
    )
    threads: int = _setting(0, "CPU threads of a forward pass; 0 lets torch decide.")
    pages: int = _setting(4096, "KV pages of the pool.")
    page_size_tokens: int = _setting(16, "Token slots of a page.")
    prefill_tokens: int = _setting(512, "Most prompt tokens in one step.")
    batch_rows: int = _setting(256, "Most contexts in one step.")
    policy: str = _setting(
        "adaptive",
        "When a step begins: as soon as the device is idle, or as in the paper's ablation.",
        ("adaptive", "eager", "k_only", "t_only"),
    )
    deterministic: bool = _setting(
        False,
        "The same request gives the same bits whatever else runs; rows are not computed together, "
        "so the server is about as slow as one request at a time.",
    )
    offload_bytes: int = _setting(
        256 << 20, "Host memory for contexts that had to leave the pool; 0: compute them again."
    )
    sandbox: str = _setting(
        "auto",
        "Where code runs: auto takes Docker if its engine answers, else WebAssembly.",
        ("auto", "docker", "wasm", "off"),
    )
    warm_sandboxes: int = _setting(1, "Started, never used sandboxes kept ready.")
    sandbox_leases: int = _setting(
        16, "Sandboxes at once; a session that ran code keeps its own to its end."
    )
    documents: str = _setting("", "Directory for document search; empty: the built-in collection.")
    inferlets: str = _setting("", "Directory with more inferlets besides the built-in library.")
    cache_dir: str = _setting(
        platformdirs.user_cache_dir(_APP), "Compiled interpreters; safe to delete."
    )
    data_dir: str = _setting(
        platformdirs.user_data_dir(_APP), "The sessions' journal and uploaded inferlets."
    )
    allow_native: bool = _setting(
        False, "Let clients launch inferlets natively: in the server, without CPU or memory limit."
    )
    instance_memory_bytes: int = _setting(256 << 20, "Memory of one guest.")
    instance_cpu_seconds: float = _setting(30.0, "CPU time of one guest.")
    instance_pages: int = _setting(2048, "KV pages of one instance.")
    instance_operations: int = _setting(256, "Operations in flight of one instance.")
    session_children: int = _setting(
        64, "Inferlets running at once that a session's own inferlets have launched."
    )
    child_depth: int = _setting(4, "How deeply inferlets may launch each other.")
    store_bytes: int = _setting(64 << 20, "Keys and values of one tenant in the key-value store.")
    http_allow: str = _setting(
        "",
        "What inferlets may reach by HTTP: 'example.org' (ports 80 and 443), 'example.org:8443', "
        "'10.1.2.3:8000', with commas between or as a list. Private addresses only if listed as "
        "such. Empty: nothing.",
    )
    max_message_bytes: int = _setting(1 << 20, "One message of a client; a longer one is refused.")
    max_sessions: int = _setting(4096, "Sessions running at once; more are refused.")
    drain_seconds: float = _setting(10.0, "How long running sessions may finish after SIGTERM.")
    detach_grace_seconds: float = _setting(30.0, "How long a session outlives its last client.")
    log_level: str = _setting(
        "warning", "What goes to the log.", ("debug", "info", "warning", "error")
    )


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A configuration, and the source of each setting: flag, environment, file or default."""

    config: Config
    sources: Mapping[str, str]
    file: Path | None


def default_file() -> Path:
    """The settings file that is read if none is named and it exists."""
    return Path(platformdirs.user_config_dir(_APP)) / "config.toml"


def load_config(
    flags: Mapping[str, object] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> LoadedConfig:
    """Merges all sources.

    Args:
        flags: Settings given on the command line; None values count as not given.
        environment: Default: the process's.
        file: A TOML file; default: `PIE_CONFIG`, else `default_file()` if that exists.

    Raises:
        ConfigurationError: Lists everything that is wrong at once.
    """
    environment = os.environ if environment is None else environment
    problems: list[str] = []
    file, from_file = _read_file(file, environment, problems)
    fields = {f.name: f for f in dataclasses.fields(Config)}
    types = get_type_hints(Config)
    values: dict[str, object] = {}
    sources: dict[str, str] = {}
    for name in fields:
        variable = ENVIRONMENT_PREFIX + name.upper()
        for source, raw in (
            ("flag", (flags or {}).get(name)),
            ("environment", environment.get(variable)),
            ("file", from_file.pop(name, None)),
        ):
            if raw is not None and name not in values:
                where = variable if source == "environment" else name
                values[name] = _convert(raw, types[name], where, problems)
                sources[name] = source
        sources.setdefault(name, "default")
        choices = fields[name].metadata["choices"]
        if choices and values.get(name, fields[name].default) not in choices:
            problems.append(f"{name} must be one of {', '.join(choices)}")
    problems += [f"{file}: there is no setting {name!r}" for name in from_file]
    if not problems:
        config = Config(**values)  # type: ignore[arg-type] # converted by their type hints
        problems += _check(config)
    if problems:
        raise ConfigurationError(
            "the configuration has mistakes:\n  - " + "\n  - ".join(problems),
            hint="`pie-server config show` prints every setting.",
        )
    return LoadedConfig(config, sources, file)


def _read_file(
    file: Path | None, environment: Mapping[str, str], problems: list[str]
) -> tuple[Path | None, dict[str, object]]:
    if file is None and (named := environment.get(ENVIRONMENT_PREFIX + "CONFIG")):
        file = Path(named)
    if file is None:
        file = default_file()
        if not file.exists():
            return None, {}
    try:
        return file, tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        problems.append(f"{file}: {error}")
        return file, {}


def _convert(raw: object, kind: type, where: str, problems: list[str]) -> object:
    try:
        if kind is bool:
            return raw if isinstance(raw, bool) else _TRUTH[str(raw).lower()]
        if kind is str and isinstance(raw, list):
            return ",".join(str(item) for item in raw)
        if isinstance(raw, bool) or (kind is int and isinstance(raw, float)):
            raise TypeError
        return kind(raw)
    except (KeyError, TypeError, ValueError):
        expected = "true or false" if kind is bool else kind.__name__
        problems.append(f"{where} is {raw!r}, expected {expected}")
        return None


def _check(config: Config) -> list[str]:
    problems = []
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        lowest = 0 if f.name in ("port", "threads", "warm_sandboxes", "offload_bytes") else 1
        if isinstance(value, int) and not isinstance(value, bool) and value < lowest:
            problems.append(f"{f.name} is {value}, it must be at least {lowest}")
        if isinstance(value, float) and not 0 <= value < float("inf"):
            problems.append(f"{f.name} is {value}, it must be finite and not negative")
    if config.port > 65535:
        problems.append(f"port is {config.port}, the highest is 65535")
    if config.deterministic and not config.offload_bytes:
        problems.append("deterministic needs offload_bytes: KV is never computed a second time")
    for name in ("documents", "inferlets", "adapters"):
        path = getattr(config, name)
        if path and not Path(path).is_dir():
            problems.append(f"{name}: {path} is not a directory")
    return problems
