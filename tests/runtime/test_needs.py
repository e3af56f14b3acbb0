"""What an inferlet may call that names its needs."""

from __future__ import annotations

from collections.abc import Sized

import pytest

from pie_server.errors import UndeclaredOperation, UnknownOperation
from pie_server.runtime.needs import DeclaredHost, permits
from tests.runtime.fake_host import FakeHost


def test_launching_other_inferlets_has_to_be_named() -> None:
    for operation in ("runtime.time", "session.send", "log", "cancel"):
        assert permits([], operation)
    assert not permits(["context", "runtime.time"], "runtime.launch")
    for needs in (["runtime.launch"], ["runtime"]):
        assert permits(needs, "runtime.launch")
    host = FakeHost()
    with pytest.raises(UndeclaredOperation, match=r'Add "runtime\.launch" to `needs`'):
        DeclaredHost(host, "sly", ["context"]).call({"op": "runtime.launch", "program": "other"})
    assert host.operations == []


def test_what_a_guest_calls_is_not_remembered() -> None:
    host = DeclaredHost(FakeHost(), "sly", ["context"])

    def held() -> int:
        return sum(len(value) for value in vars(host).values() if isinstance(value, Sized))

    before = held()
    for number in range(100):
        with pytest.raises(UnknownOperation):
            host.call({"op": f"context.{number}"})
    assert held() == before
