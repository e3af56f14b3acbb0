"""HTTP out of inferlets: real sockets, and every way around the list of addresses."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from pie_server.errors import (
    ConfigurationError,
    HttpError,
    HttpForbidden,
    InvalidArguments,
    PieError,
)
from pie_server.services.http_addresses import Address, AllowList, is_public, parse_url
from pie_server.services.http_client import HttpAnswer, HttpCall, HttpClient, Resolve

from .conftest import Guest, OpenWorld, value


@dataclass
class Web:
    """A server that answers each request with the bytes of its path, and remembers requests."""

    port: int
    answers: dict[str, bytes | Callable[[], bytes]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    @property
    def here(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def ok(body: bytes = b"hello", *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def redirect(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Go\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


async def listen(
    nursery: trio.Nursery, handler: Callable[[trio.SocketStream], Awaitable[object]]
) -> int:
    """Serves on a free port until the nursery ends."""
    listeners = await nursery.start(partial(trio.serve_tcp, handler, 0, host="127.0.0.1"))
    port: int = listeners[0].socket.getsockname()[1]
    return port


async def never_answer(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


@asynccontextmanager
async def open_web(tls: ssl.SSLContext | None = None) -> AsyncIterator[Web]:
    async with trio.open_nursery() as nursery:
        web = Web(0)

        async def serve(plain: trio.SocketStream) -> None:
            stream = trio.SSLStream(plain, tls, server_side=True) if tls else plain
            received = b""
            try:
                while b"\r\n\r\n" not in received:
                    data = await stream.receive_some()
                    if not data:
                        return
                    received += data
                head, _, body = received.partition(b"\r\n\r\n")
                length = next(
                    (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                     if line.startswith(b"content-length")), 0
                )  # fmt: skip
                while len(body) < length:
                    body += await stream.receive_some()
                web.requests.append((head + b"\r\n\r\n" + body).decode("latin-1"))
                answer = web.answers.get(head.split()[1].decode(), ok())
                await stream.send_all(answer() if callable(answer) else answer)
            except trio.BrokenResourceError:
                pass
            finally:
                await plain.aclose()

        web.port = await listen(nursery, serve)
        yield web
        nursery.cancel_scope.cancel()


async def fetch(client: HttpClient, url: str, **options: object) -> HttpAnswer:
    call = HttpCall("GET", url, {}, b"", 20.0, 1 << 20, follow_redirects=True)
    with trio.fail_after(30):
        return await client.request(replace(call, **options))  # type: ignore[arg-type]


def resolver(*answers: list[str]) -> tuple[Resolve, list[str]]:
    """Looks names up in turn, the last answer again and again; and what it was asked."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[Address]:
        asked.append(host)
        return [ip_address(text) for text in answers[min(len(asked), len(answers)) - 1]]

    return resolve, asked


async def test_a_guest_makes_requests_to_what_is_listed(open_world: OpenWorld) -> None:
    async with open_world() as world, open_web() as web:
        guest = world.second_guest("alice")
        client = HttpClient(AllowList(f"127.0.0.1:{web.port}"))
        guest.host.services = replace(world.host.services, http=client)
        web.answers = {
            "/text?q=1": ok(b"gr\xc3\xbc\xc3\x9fe", "Set-Cookie: a=1", "Set-Cookie: b=2"),
            "/bytes": ok(b"\xff\x00"),
            "/post": b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"3\r\nyes\r\n0\r\n\r\n",
        }
        text = value(await guest.do("http.request", url=f"{web.here}/text?q=1"))
        assert (text["status"], text["body"]) == (200, "grüße")
        assert ["set-cookie", "b=2"] in text["headers"]  # type: ignore[operator]
        raw = value(await guest.do("http.request", url=f"{web.here}/bytes#fragment"))
        assert (raw["body_base64"], "body" in raw) == ("/wA=", False)
        posted = value(
            await guest.do(
                "http.request",
                method="POST",
                url=f"{web.here}/post",
                body="{}",
                headers={"Content-Type": "application/json", "X-Mine": "1"},
            )
        )
        assert (posted["status"], posted["body"]) == (201, "yes")
        head = web.requests[-1].lower()
        assert head.startswith("post /post http/1.1\r\nhost: 127.0.0.1:")
        for line in ("accept-encoding: identity", "x-mine: 1", "content-length: 2"):
            assert line in head
        assert head.endswith("\r\n\r\n{}")


async def test_by_default_nothing_may_be_reached(open_world: OpenWorld) -> None:
    async with open_world() as world, open_web() as web:
        with pytest.raises(HttpForbidden, match=r"may not reach 127\.0\.0\.1") as caught:
            await world.guest.do("http.request", url=web.here)
        assert "http_allow" in caught.value.hint
        assert web.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{other}/",
        "http://localhost:{port}/",
        "http://127.1:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f000001:{port}/",
        "http://0177.0.0.1:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://[::ffff:7f00:1%25lo]:{port}/",
        "http://0.0.0.0:{port}/",
        "http://127.0.0.1.nip.example:{port}/",
        "http://user@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}@example.org/",
        "http://example.org\\@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}\t.example.org/",
        "http://①27.0.0.1:{port}/",
        "ftp://127.0.0.1:{port}/",
        "file:///etc/passwd",
        "http:127.0.0.1:{port}/",
        "//127.0.0.1:{port}/",
        "http://",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:0/",
    ],
)
async def test_no_other_way_to_write_an_address_gets_through(url: str) -> None:
    async with open_web() as web:
        client = HttpClient(AllowList("example.org:1, 127.0.0.1:1"))
        with pytest.raises((HttpForbidden, InvalidArguments)):
            await fetch(client, url.format(port=web.port, other=web.port + 1))
        assert web.requests == []


async def test_redirects_are_followed_within_the_list_and_never_out_of_it() -> None:
    async with open_web() as web, open_web() as outside:
        client = HttpClient(AllowList(f"127.0.0.1:{web.port}"))
        web.answers = {
            "/a": redirect("/b?x=1", 307),
            "/out": redirect(f"{outside.here}/secret"),
            "/file": redirect("file:///etc/passwd"),
            "/round": redirect("/round"),
            "/user": redirect(f"http://me@127.0.0.1:{web.port}/"),
        }
        assert (await fetch(client, f"{web.here}/a")).url == f"{web.here}/b?x=1"
        with pytest.raises(HttpForbidden):
            await fetch(client, f"{web.here}/out")
        for path, match in (("file", "not http"), ("round", "5 redirects"), ("user", "user name")):
            with pytest.raises(HttpError, match=match):
                await fetch(client, f"{web.here}/{path}")
        assert (await fetch(client, f"{web.here}/out", follow_redirects=False)).status == 302
        assert outside.requests == []


async def test_a_redirect_to_no_address_is_a_typed_error() -> None:
    async with open_web() as web:
        client = HttpClient(AllowList(f"127.0.0.1:{web.port}"))
        for location in ("http://[", "//[::1", "http://a:b/", "ftp://127.0.0.1/"):
            web.answers["/"] = redirect(location)
            with pytest.raises(HttpError, match="bad address"):
                await fetch(client, web.here)


async def test_the_host_header_has_addresses_of_ipv6_in_brackets() -> None:
    async with open_web() as web:
        host = f"[2001:4860:4860::8888]:{web.port}"
        resolve, asked = resolver(["127.0.0.1"])
        client = HttpClient(AllowList(f"{host}, 127.0.0.1:{web.port}"), resolve=resolve)
        assert (await fetch(client, f"http://{host}/")).status == 200
        assert asked == ["2001:4860:4860::8888"]
        assert f"\r\nhost: {host}\r\n" in web.requests[0].lower()
    assert parse_url("https://[2001:db8::1]/a").authority == "[2001:db8::1]"
    assert parse_url("http://example.org:443/").authority == "example.org:443"


async def test_credentials_and_bodies_stay_with_the_origin_they_were_meant_for() -> None:
    async with open_web() as web, open_web() as other:
        client = HttpClient(AllowList(f"127.0.0.1:{web.port},127.0.0.1:{other.port}"))
        web.answers = {
            "/cross": redirect(f"{other.here}/x", 307),
            "/see": redirect("/seen", 303),
        }
        headers = {"Authorization": "secret", "Cookie": "c=1", "Content-Type": "text/plain"}
        for path in ("cross", "see"):
            await fetch(client, f"{web.here}/{path}", method="POST", body=b"data", headers=headers)
        crossed, seen = other.requests[0].lower(), web.requests[-1].lower()
        assert crossed.startswith("post /x")
        assert crossed.endswith("data")
        assert "secret" not in crossed
        assert "c=1" not in crossed
        assert seen.startswith("get /seen")
        assert "secret" in seen
        assert "content-" not in seen


async def test_a_name_is_looked_up_once_and_reached_at_that_address() -> None:
    async with open_web() as web:
        resolve, asked = resolver(["127.0.0.1"], ["10.0.0.1"])
        allow = AllowList(f"rebinding.example:{web.port}, 127.0.0.1:{web.port}")
        client = HttpClient(allow, resolve=resolve)
        url = f"http://rebinding.example:{web.port}/"
        assert (await fetch(client, url)).body == b"hello"
        assert asked == ["rebinding.example"]
        assert f"Host: rebinding.example:{web.port}" in web.requests[0]
        with pytest.raises(HttpForbidden, match="no public address"):
            await fetch(client, url)  # now it is elsewhere
        assert asked == ["rebinding.example"] * 2


async def test_a_listed_name_at_a_private_address_is_refused_unless_that_is_listed_too() -> None:
    async with open_web() as web:
        for private in (
            "127.0.0.1",
            "::ffff:127.0.0.1",
            "::1",
            "169.254.169.254",
            "64:ff9b::7f00:1",
        ):
            resolve, _ = resolver([private])
            client = HttpClient(AllowList(f"inside.example:{web.port}"), resolve=resolve)
            with pytest.raises(HttpForbidden, match="no public address") as caught:
                await fetch(client, f"http://inside.example:{web.port}/")
            assert "lists the address itself" in caught.value.hint
        real = HttpClient(AllowList(f"localhost:{web.port}"))
        with pytest.raises(HttpForbidden):
            await fetch(real, f"http://localhost:{web.port}/")
        real = HttpClient(AllowList(f"localhost:{web.port},127.0.0.1:{web.port}"))
        assert (await fetch(real, f"http://LOCALHOST.:{web.port}/")).status == 200


async def test_names_that_do_not_exist_and_ports_that_are_closed_are_typed_errors() -> None:
    async with open_web() as web:
        port = web.port
    client = HttpClient(AllowList(f"127.0.0.1:{port}, nowhere.invalid"))
    with pytest.raises(HttpError, match=r"127\.0\.0\.1"):
        await fetch(client, f"http://127.0.0.1:{port}/")
    with pytest.raises(HttpError, match=r"nowhere\.invalid"):
        await fetch(client, "http://nowhere.invalid/")


async def test_large_slow_and_broken_answers_are_typed_errors() -> None:
    async with open_web() as web:
        client = HttpClient(AllowList(f"127.0.0.1:{web.port}"))
        web.answers = {
            "/large": ok(b"x" * 5000),
            "/endless": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"400\r\n" + b"x" * 1024 + b"\r\n" * 1,
            "/short": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
            "/nonsense": b"\x00\x01 hello\r\n\r\n",
            "/headers": b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
            "/empty": b"",
        }  # fmt: skip
        with pytest.raises(HttpError, match="more than 4999 bytes"):
            await fetch(client, f"{web.here}/large", max_bytes=4999)
        assert len((await fetch(client, f"{web.here}/large", max_bytes=5000)).body) == 5000
        for path in ("endless", "short", "nonsense", "headers", "empty"):
            with pytest.raises(HttpError, match=r"127\.0\.0\.1"):
                await fetch(client, f"{web.here}/{path}")


async def test_an_answer_that_never_comes_ends_at_the_deadline_of_the_whole_request() -> None:
    async with trio.open_nursery() as nursery:
        port = await listen(nursery, never_answer)
        client = HttpClient(AllowList(f"127.0.0.1:{port}"))
        with pytest.raises(HttpError, match=r"within 0\.05 s"):
            await fetch(client, f"http://127.0.0.1:{port}/", seconds=0.05)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "other"},
        {"content-length": "5"},
        {"Transfer-Encoding": "chunked"},
        {"Proxy-Authorization": "x"},
        {"Connection": "upgrade"},
        {"X": "a\r\nHost: other"},
        {"X\r\nY": "a"},
        {"": "a"},
        {"X": "✓"},
        {"X": "a" * 20_000},
    ],
)
async def test_headers_cannot_say_something_else(headers: dict[str, str]) -> None:
    async with open_web() as web:
        client = HttpClient(AllowList(f"127.0.0.1:{web.port}"))
        with pytest.raises(InvalidArguments, match="headers"):
            await fetch(client, web.here, headers=headers)
        assert web.requests == []


async def test_wrong_arguments_are_named(open_world: OpenWorld) -> None:
    async with open_world() as world:
        guest: Guest = world.guest
        for arguments, name in (
            ({"method": "TRACE"}, "method"),
            ({"seconds": 0}, "seconds"),
            ({"max_bytes": 1 << 30}, "max_bytes"),
            ({"body": "a", "body_base64": "YQ=="}, "body_base64"),
            ({"body_base64": "!"}, "body_base64"),
            ({"body": "x" * (1 << 21)}, "body"),
            ({"url": "http://" + "x" * 9000}, "url"),
        ):
            with pytest.raises(InvalidArguments, match=name):
                await guest.do("http.request", **{"url": "http://example.org", **arguments})


async def test_an_instance_takes_only_its_share_of_the_servers_requests(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world, open_web() as web:
        client = HttpClient(AllowList(f"127.0.0.1:{web.port}"))
        greedy, other = world.second_guest("alice"), world.second_guest("bob")
        for guest in (greedy, other):
            guest.host.services = replace(world.host.services, http=client)
        client._turns.total_tokens = 9
        async with trio.open_nursery() as nursery:
            port = await listen(nursery, never_answer)
            client._allow._entries.add(("127.0.0.1", port))
            for _ in range(50):
                greedy.start("http.request", url=f"http://127.0.0.1:{port}/")
            answer = await other.do("http.request", url=web.here)
            assert value(answer)["status"] == 200
            greedy.host.close()
            nursery.cancel_scope.cancel()


async def test_tls_believes_only_certificates_for_the_name(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("makes its certificate with openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        f"-subj /CN=good.example -addext subjectAltName=DNS:good.example "
        f"-keyout {key} -out {certificate}"
    )
    await trio.run_process(command.split(), capture_stderr=True)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate, key)
    async with open_web(serving) as web:
        port = web.port
        resolve, _ = resolver(["127.0.0.1"])
        names = f"good.example:{port}, bad.example:{port}, 127.0.0.1:{port}"
        trusting = ssl.create_default_context(cafile=str(certificate))
        client = HttpClient(AllowList(names), resolve=resolve, tls=trusting)
        assert (await fetch(client, f"https://good.example:{port}/")).body == b"hello"
        with pytest.raises(HttpError, match=r"bad\.example"):
            await fetch(client, f"https://bad.example:{port}/")
        doubting = HttpClient(AllowList(names), resolve=resolve)
        with pytest.raises(HttpError, match="certificate"):
            await fetch(doubting, f"https://good.example:{port}/")
        web.answers = {"/down": redirect(f"http://good.example:{port}/")}
        with pytest.raises(HttpForbidden, match="from https to http"):
            await fetch(client, f"https://good.example:{port}/down")


@pytest.mark.parametrize(
    "entry",
    ["*.example.org", "http://example.org", "example.org/x", "a b", "x:y", "h:0", "127.1", "u@h"],
)
def test_entries_that_mean_something_else_are_refused_at_the_start(entry: str) -> None:
    with pytest.raises(ConfigurationError, match="http_allow"):
        AllowList(f"example.org, {entry}")


def test_an_entry_without_a_port_means_the_two_usual_ones() -> None:
    allow = AllowList("Example.org, 10.0.0.1:8000, [FD00:0::1]:80")
    assert allow.has("example.org", 80)
    assert allow.has("example.org", 443)
    assert not allow.has("example.org", 8000)
    assert not allow.has("www.example.org", 80)
    assert allow.has("fd00::1", 80)
    assert allow.permits(ip_address("10.0.0.1"), 8000)
    assert not allow.permits(ip_address("10.0.0.1"), 80)


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("93.184.215.14", True), ("2606:2800:21f:cb07::1", True),
        ("10.1.2.3", False), ("172.16.0.1", False), ("192.168.1.1", False), ("100.64.0.1", False),
        ("127.0.0.53", False), ("169.254.169.254", False), ("0.0.0.0", False), ("224.0.0.1", False),
        ("255.255.255.255", False), ("240.0.0.1", False), ("::", False), ("::1", False),
        ("fe80::1", False), ("fd00::1", False), ("ff02::1", False), ("::7f00:1", False),
        ("::ffff:10.0.0.1", False), ("64:ff9b::a00:1", False), ("2002:7f00:1::", False),
        ("2001:0:7f00:1::", False), ("2001:db8::1", False),
    ],
)  # fmt: skip
def test_which_addresses_are_public(text: str, public: bool) -> None:
    assert is_public(ip_address(text)) is public


@given(st.text(max_size=60) | st.from_regex(r"https?://[^/]{0,40}(/.{0,20})?", fullmatch=True))
def test_whatever_the_url_it_is_taken_apart_in_one_way_or_refused(text: str) -> None:
    try:
        target = parse_url(text)
    except PieError:
        return
    assert parse_url(target.url) == target
    assert target.host == target.host.lower()
    assert not set(target.host) & set("@/\\#?% ")
