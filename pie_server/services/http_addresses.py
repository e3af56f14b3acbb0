"""Which addresses inferlets may reach: URLs taken apart once, and the operator's list.

A host is on the list by name and port, and the address it resolves to must be public, unless that
very address is on the list too. Pure functions and values; `http_client.py` makes connections only
to what passes here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias
from urllib.parse import urlsplit

from pie_server.errors import ConfigurationError, InvalidArguments

Address: TypeAlias = IPv4Address | IPv6Address

DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_URL_CHARACTERS = 8192

_PRINTABLE = re.compile(r"[!-\[\]-~]+")  # ASCII without blanks and backslash
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
# What resolvers read as a number and so as an address: 127.1, 0x7f.1, 2130706433.
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
_GLOBAL_UNICAST = IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, taken apart; `host` is a name in lower case or an address in its usual form."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{self.scheme}://{self._bracketed}:{self.port}"

    @property
    def authority(self) -> str:
        """What the header Host says: a port only where it is not the scheme's own."""
        if self.port == DEFAULT_PORTS[self.scheme]:
            return self._bracketed
        return f"{self._bracketed}:{self.port}"

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def url(self) -> str:
        """The whole of it."""
        return self.origin + self.path


def parse_url(url: str) -> Target:
    """Takes a URL apart.

    Raises:
        InvalidArguments: It is no plain `http` or `https` URL.
    """
    if len(url) > MAX_URL_CHARACTERS:
        raise InvalidArguments(f"url: more than {MAX_URL_CHARACTERS} characters")
    if not _PRINTABLE.fullmatch(url):
        raise _bad_url(url, "has characters that must be percent-encoded")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _bad_url(url, str(error)) from None
    if parts.scheme not in DEFAULT_PORTS:
        raise _bad_url(url, "is not http or https")
    if "@" in parts.netloc:
        raise _bad_url(url, "has a user name; send an Authorization header instead")
    host = host_of(parts.hostname or "", bracketed=parts.netloc.startswith("["))
    if host is None or port == 0:
        raise _bad_url(url, "has no usable host")
    path = parts.path or "/"
    if parts.query:
        path += "?" + parts.query
    if not path.startswith("/"):
        raise _bad_url(url, "has no absolute path")
    return Target(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme], path)


def host_of(text: str, *, bracketed: bool) -> str | None:
    """A host in its one usual form; None if it is none, or an address in an unusual form."""
    text = text.lower().removesuffix(".")
    if bracketed:
        try:
            return str(IPv6Address(text)) if "%" not in text else None
        except ValueError:
            return None
    try:
        return str(IPv4Address(text))
    except ValueError:
        pass
    if len(text) > 253 or not _NAME.fullmatch(text) or _NUMBER.fullmatch(text.split(".")[-1]):
        return None
    return text


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, and is not another one in disguise."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address not in _GLOBAL_UNICAST or address.sixtofour or address.teredo:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


class AllowList:
    """What the operator allows.

    Args:
        text: Entries `host`, `host:port` or `[address]:port`, with commas between. Without a port
            it means 80 and 443.

    Raises:
        ConfigurationError: An entry is none of these.
    """

    def __init__(self, text: str = "") -> None:
        self._entries = {_entry(item.strip()) for item in text.split(",") if item.strip()}

    def __bool__(self) -> bool:
        return bool(self._entries)

    def has(self, host: str, port: int) -> bool:
        """Whether a host, by this very name or address, is on the list."""
        if (host, port) in self._entries:
            return True
        return port in DEFAULT_PORTS.values() and (host, None) in self._entries

    def permits(self, address: Address, port: int) -> bool:
        """Whether a host on the list may be reached at this address."""
        return is_public(address) or self.has(str(address), port)


def _entry(text: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(f"//{text}")
        host = host_of(parts.hostname or "", bracketed=parts.netloc.startswith("["))
        port = parts.port
    except ValueError:
        host, port = None, None
    if host is None or port == 0 or parts.netloc != text or "@" in text:
        raise ConfigurationError(
            f"http_allow: {text!r} is no host.",
            hint="Write 'example.org', 'example.org:8443', '10.1.2.3:80' or '[fd00::1]:80'; there "
            "are no wildcards.",
        )
    return host, port


def addresses_of(infos: list[tuple[object, ...]]) -> list[Address]:
    """The addresses in what `getaddrinfo` returned, each once."""
    found = [ip_address(str(info[4][0]).partition("%")[0]) for info in infos]  # type: ignore[index] # a socket address
    return list(dict.fromkeys(found))


def _bad_url(url: str, why: str) -> InvalidArguments:
    return InvalidArguments(f"url: {url[:200]!r} {why}")
