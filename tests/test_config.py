"""Where settings come from and how mistakes are reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from pie_server.config import Config, load_config
from pie_server.errors import ConfigurationError
from pie_server.server import Server


def test_flags_beat_environment_beats_file_beats_defaults(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('port = 1\npages = 2\ndrain_seconds = 3\nmodel = "embedded"\n')
    loaded = load_config(
        {"port": 11, "pages": None},
        environment={"PIE_PORT": "21", "PIE_PAGES": "22"},
        file=file,
    )
    assert (loaded.config.port, loaded.config.pages, loaded.config.drain_seconds) == (11, 22, 3.0)
    assert loaded.sources["port"] == "flag"
    assert loaded.sources["pages"] == "environment"
    assert loaded.sources["drain_seconds"] == "file"
    assert loaded.sources["host"] == "default"


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("surprise = 1\n")
    with pytest.raises(ConfigurationError) as caught:
        load_config(
            {"sandbox": "host"},
            environment={"PIE_PORT": "many", "PIE_CONFIG": str(file)},
        )
    for words in ("surprise", "sandbox must be one of", "PIE_PORT is 'many'"):
        assert words in caught.value.message


@pytest.mark.parametrize(
    ("setting", "value"),
    [("port", 70000), ("pages", 0), ("drain_seconds", float("nan")), ("documents", "/nowhere")],
)
def test_values_out_of_range_are_refused(setting: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=setting):
        load_config({setting: value}, environment={})


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("port =")
    with pytest.raises(ConfigurationError, match=r"config\.toml"):
        load_config(environment={}, file=file)


@pytest.mark.parametrize(
    ("written", "value"),
    [("true", True), ("1", True), ("On", True), ("false", False), ("0", False), ("no", False)],
)
def test_truth_values_are_words_in_the_environment(written: str, value: bool) -> None:
    loaded = load_config(environment={"PIE_ALLOW_NATIVE": written})
    assert loaded.config.allow_native is value
    assert loaded.sources["allow_native"] == "environment"


def test_truth_values_of_a_file_and_what_is_none(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("allow_native = true\n")
    assert load_config(environment={}, file=file).config.allow_native is True
    assert load_config({"allow_native": False}, environment={}, file=file).config.allow_native is (
        False
    )
    with pytest.raises(ConfigurationError, match="'maybe', expected true or false"):
        load_config(environment={"PIE_ALLOW_NATIVE": "maybe"})
    with pytest.raises(ConfigurationError, match="pages is True"):
        load_config({"pages": True}, environment={})


def test_clients_may_not_launch_natively_by_default() -> None:
    assert load_config(environment={}).config.allow_native is False


def test_a_list_in_the_file_is_the_same_as_commas_on_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('http_allow = ["example.org", "127.0.0.1:8000"]\n')
    assert load_config(file=file, environment={}).config.http_allow == "example.org,127.0.0.1:8000"


def test_an_address_that_cannot_be_allowed_stops_the_server_before_it_loads_anything() -> None:
    with pytest.raises(ConfigurationError, match=r"'\*\.example\.org' is no host"):
        Server(Config(http_allow="*.example.org"))
