"""Scratch files, files to the client, and logs with fields."""

from __future__ import annotations

import base64
import logging

import pytest

from pie_server.errors import InvalidArguments, LimitExceeded
from pie_server.host.files import MAX_BYTES, MAX_FILES, MAX_READ_BYTES

from .conftest import OpenWorld, value


async def test_scratch_files_are_written_read_in_parts_and_deleted(open_world: OpenWorld) -> None:
    async with open_world() as world:
        guest = world.guest
        assert await guest.do("files.write", name="a", text="grüße") == {"size": 7}
        assert await guest.do("files.write", name="a", text="!", append=True) == {"size": 8}
        whole = value(await guest.do("files.read", name="a"))
        assert whole == {"size": 8, "stop": 8, "text": "grüße!"}
        part = value(await guest.do("files.read", name="a", start=3, stop=4))
        assert part == {"size": 8, "stop": 4, "text_base64": base64.b64encode(b"\xbc").decode()}
        await guest.do("files.write", name="b", base64="/wA=")
        assert await guest.do("files.list") == [{"name": "a", "size": 8}, {"name": "b", "size": 2}]
        assert await guest.do("files.delete", name="a") is True
        assert await guest.do("files.delete", name="a") is False
        with pytest.raises(InvalidArguments, match="no file 'a'"):
            await guest.do("files.read", name="a")
        other = world.second_guest("alice")
        assert await other.do("files.list") == []
        guest.host.close()
        assert guest.host.files.sizes() == {}


async def test_too_much_is_refused_and_changes_nothing(open_world: OpenWorld) -> None:
    async with open_world() as world:
        guest, half = world.guest, "x" * (MAX_BYTES // 2)
        for name in ("a", "b"):
            await guest.do("files.write", name=name, text=half)
        with pytest.raises(LimitExceeded, match="bytes"):
            await guest.do("files.write", name="c", text="x")
        with pytest.raises(LimitExceeded):
            await guest.do("files.write", name="a", text="x", append=True)
        await guest.do("files.write", name="a", text="short")  # in place of the long one
        read = value(await guest.do("files.read", name="b"))
        assert (len(str(read["text"])), read["stop"]) == (MAX_READ_BYTES, MAX_READ_BYTES)
        for number in range(MAX_FILES - 2):
            await guest.do("files.write", name=f"f{number}")
        with pytest.raises(LimitExceeded, match="256 scratch files"):
            await guest.do("files.write", name="more")
        for arguments, name in (
            ({"name": ""}, "name"),
            ({"name": "x" * 256}, "name"),
            ({"name": "a", "base64": "?"}, "base64"),
            ({"name": "a", "text": "a", "base64": "YQ=="}, "base64"),
        ):
            with pytest.raises(InvalidArguments, match=name):
                await guest.do("files.write", **arguments)
        with pytest.raises(InvalidArguments, match="start"):
            await guest.do("files.read", name="a", start=-1)


async def test_a_file_reaches_the_client_as_an_event(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await world.guest.do(
            "session.send_file", name="t.csv", media_type="text/csv", text="a,b\n1,2\n"
        )
        assert world.session.events == [
            (
                "file",
                {
                    "name": "t.csv",
                    "media_type": "text/csv",
                    "size": 8,
                    "base64": base64.b64encode(b"a,b\n1,2\n").decode(),
                },
            )
        ]


async def test_logs_carry_fields(open_world: OpenWorld, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pie_server.guest")
    async with open_world() as world:
        fields = {"query": "two words", "tried": 3, "ratio": 0.5, "found": None, "line": "a\nb"}
        await world.guest.do("log", message="nothing found", fields=fields)
        (record,) = caplog.records
        assert record.getMessage() == (
            '[s_test] nothing found query="two words" tried=3 ratio=0.5 found=null line="a\\nb"'
        )
        assert record.__dict__["fields"] == fields
        assert record.__dict__["session"] == "s_test"
        for bad in (
            {"a b": 1},
            {"a": [1]},
            {"a": "x" * 1025},
            {f"f{n}": 0 for n in range(33)},
            {"a": 1 << 64},
            {"a": -(1 << 63) - 1},
        ):
            with pytest.raises(InvalidArguments, match="fields"):
                await world.guest.do("log", message="m", fields=bad)
        assert len(caplog.records) == 1


async def test_a_log_message_is_one_line_whatever_a_guest_writes(
    open_world: OpenWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pie_server.guest")
    async with open_world() as world:
        forged = "grüße\n[s_other] paid\r\x1b[2J\u2028\x85end"
        await world.guest.do("log", message=forged, fields={"a": "\u2028\x9b"})
        assert caplog.records[0].getMessage() == (
            r'[s_test] grüße\n[s_other] paid\r\x1b[2J\u2028\x85end a="\u2028\x9b"'
        )
