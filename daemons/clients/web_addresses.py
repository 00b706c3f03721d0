"""Which addresses pages are read from: what a URL really names, and why that is refused.

Refused is whatever two programs could read in two ways. What is left is a name or an address in its one spelling;
which addresses a name has, and whether each of them is out on the internet, is looked at before a connection is made.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import quote, urljoin, urlsplit

from daemons.clients.web_errors import UrlRefused

URL_CHARACTERS = 2048
DEFAULT_PORTS = {"http": 80, "https": 443}

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_UNSEEN = re.compile(r"[\x00-\x20\x7f-\xa0\xad\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ud800-\udfff]")

# Where nobody has pages, whatever the settings say: there clouds keep the keys of their machines, among others.
_NEVER = {
    "0.0.0.0/8": "which stands for this machine",
    "100.100.100.200/32": "where a cloud keeps the keys of its machines",
    "169.254.0.0/16": "which is link-local, where clouds keep the keys of their machines",
    "192.0.0.192/32": "where a cloud keeps the keys of its machines",
    "224.0.0.0/4": "which is for many receivers at once (multicast)",
    "240.0.0.0/4": "which is reserved",
    "::/128": "which stands for this machine",
    "fd00:ec2::/32": "where a cloud keeps the keys of its machines",
    "fd20:ce::/32": "where a cloud keeps the keys of its machines",
    "fe80::/10": "which is link-local",
    "ff00::/8": "which is for many receivers at once (multicast)",
}
_PRIVATE = {
    "10.0.0.0/8": "which is in a private network",
    "100.64.0.0/10": "which is shared within a provider's network",
    "127.0.0.0/8": "which is this machine itself (loopback)",
    "172.16.0.0/12": "which is in a private network",
    "192.168.0.0/16": "which is in a private network",
    "::1/128": "which is this machine itself (loopback)",
    "fc00::/7": "which is in a private network",
}
_NOT_PUBLIC = {
    # Older versions of Python take some of these for public.
    "192.0.0.0/24": "which is reserved",
    "192.88.99.0/24": "which is an old tunnel (6to4)",
    "64:ff9b:1::/48": "which is translated within a network (NAT64)",
    "2001::/23": "which is reserved, for tunnels among others (Teredo)",
    "2001:db8::/32": "which is for documentation",
    "2002::/16": "which is an old tunnel (6to4)",
    "3fff::/20": "which is for documentation",
    "fec0::/10": "which is in a private network",
}

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def _networks(named: dict[str, str]) -> list[tuple[Network, str]]:
    return [(IPv6Network(text) if ":" in text else IPv4Network(text), why) for text, why in named.items()]


_never, _private, _not_public = _networks(_NEVER), _networks(_PRIVATE), _networks(_NOT_PUBLIC)
_mapped = IPv6Network("::ffff:0:0/96")
_nat64 = IPv6Network("64:ff9b::/96")
_global = IPv6Network("2000::/3")
# The last 32 bits of these are an IPv4 address. Compatible ones (::127.0.0.1) are deprecated, not gone.
_carriers = (_mapped, _nat64, IPv6Network("::/96"), IPv6Network("::ffff:0:0:0/96"), IPv6Network("64:ff9b:1::/48"))


@dataclass(frozen=True, slots=True)
class WebAddress:
    """A URL as it is asked for."""

    scheme: str
    host: str  #: lower-case ASCII without a trailing dot; an IPv6 address without brackets
    port: int
    target: str  #: path and query, ASCII

    @property
    def authority(self) -> str:
        """The host, and the port where it is not the usual one, as in a Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def url(self) -> str:
        return self.origin + self.target


def parse_url(text: str, ports: Collection[int]) -> WebAddress:
    """Return what `text` names. Raises UrlRefused with the reason."""
    given = text.strip()
    if not given:
        raise UrlRefused(text, "it is empty")
    if len(given) > URL_CHARACTERS:
        raise UrlRefused(text, f"it is longer than {URL_CHARACTERS:,} characters")
    if _UNSEEN.search(given):
        raise UrlRefused(text, "it holds spaces or characters that are not seen")
    if "\\" in given:
        raise UrlRefused(text, "it holds a backslash, which programs read in different ways")
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError as error:
        raise UrlRefused(text, f"it cannot be taken apart ({error})") from None
    if parts.scheme not in DEFAULT_PORTS:
        raise UrlRefused(text, "it does not begin with http:// or https://")
    if "@" in parts.netloc:
        raise UrlRefused(text, "it holds a name or password before an @, which hides the host")
    host = _host(text, parts.netloc)
    port = DEFAULT_PORTS[parts.scheme] if port is None else port
    if port not in ports:
        raise UrlRefused(text, f"port {port} is not one of those that pages are read from (web_pages.ports)")
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~[]|")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~?[]|{}^`\"<>")
    return WebAddress(parts.scheme, host, port, f"{path}?{query}" if query else path)


def follow(address: WebAddress, location: str, ports: Collection[int]) -> WebAddress:
    """Return where a redirect leads. Raises UrlRefused."""
    try:
        joined = urljoin(address.url, location.strip())
    except ValueError as error:
        raise UrlRefused(location, f"it cannot be taken apart ({error})") from None
    return parse_url(joined, ports)


def refusal(address: str, *, allow_private: bool = False) -> str | None:
    """Return why nobody connects to `address`, None where one may. It says what the address is."""
    try:
        ip = ip_address(address)
    except ValueError:
        return f"{address!r} is no address"
    if isinstance(ip, IPv6Address) and ip.scope_id is not None:
        return f"{address} is of one network interface (a zone)"
    why = _why_not(ip, allow_private)
    if why is not None:
        return f"{ip}, {why}"
    return None


def _why_not(ip: Address, allow_private: bool) -> str | None:
    if (why := _found(ip, _never)) is not None:
        return why
    for inner in _inside(ip):
        if (why := _why_not(inner, allow_private)) is not None:
            return f"which stands for {inner}, {why}"
    if (why := _found(ip, _private)) is not None:
        return None if allow_private else why
    if (why := _found(ip, _not_public)) is not None:
        return why
    if isinstance(ip, IPv6Address):
        if ip in _mapped or ip in _nat64:
            return None
        if ip not in _global:
            return "which is not on the internet"
    return None if ip.is_global else "which is not on the internet"


def _inside(ip: Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses that are wrapped in an IPv6 address, in any of the ways that were ever thought of."""
    if isinstance(ip, IPv4Address) or ip == IPv6Address("::1"):
        return
    if ip.sixtofour is not None:
        yield ip.sixtofour
    if ip.teredo is not None:
        yield from ip.teredo
    number = int(ip)
    is_isatap = (number >> 32) & 0xFDFF_FFFF == 0x0000_5EFE
    if is_isatap or any(ip in network for network in _carriers):
        yield IPv4Address(number & 0xFFFF_FFFF)


def _found(ip: Address, networks: list[tuple[Network, str]]) -> str | None:
    return next((why for network, why in networks if ip.version == network.version and ip in network), None)


def _host(text: str, netloc: str) -> str:
    if netloc.startswith("["):
        inside, closed, after = netloc[1:].partition("]")
        if not closed or after[:1] not in ("", ":"):
            raise UrlRefused(text, "its brackets hold more than the host")
        return _literal(text, inside)
    host = netloc.partition(":")[0]
    if not host:
        raise UrlRefused(text, "it names no host")
    if "%" in host:
        raise UrlRefused(text, "its host is percent-encoded, which programs read in different ways")
    name = _ascii(text, host)
    name = name.removesuffix(".")
    labels = name.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or len(name) > 253:
        raise UrlRefused(text, "its host is no name")
    if _NUMBER.fullmatch(labels[-1]):
        return _numeric(text, name)
    return name


def _literal(text: str, inside: str) -> str:
    if "%" in inside:
        raise UrlRefused(text, "its address is of one network interface (a zone)")
    try:
        return str(IPv6Address(inside))
    except ValueError:
        raise UrlRefused(text, "what is in its brackets is no address") from None


def _ascii(text: str, host: str) -> str:
    if host.isascii():
        return host.lower()
    import idna

    try:
        # Digits of other scripts and full stops of East Asia become what they stand for.
        mapped = idna.uts46_remap(host, std3_rules=True, transitional=False)
        if mapped.isascii():
            return mapped
        return idna.encode(mapped.removesuffix(".")).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise UrlRefused(text, f"its host is no name ({error})") from None


def _numeric(text: str, host: str) -> str:
    """Return a host that ends in a number: an IPv4 address in its one spelling. Raises UrlRefused for all others."""
    meant = _old_spelling(host)
    if meant is None:
        raise UrlRefused(text, "its host ends in a number, but is no address")
    if str(meant) != host:
        raise UrlRefused(text, f"{host} is an odd spelling of {meant}")
    return host


def _old_spelling(host: str) -> IPv4Address | None:
    """Return what old programs take `host` for: each part may be octal or hexadecimal, the last may fill the rest."""
    parts = host.split(".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    try:
        *first, last = [_number(part) for part in parts]
    except ValueError:
        return None
    if any(one > 255 for one in first) or last >= 256 ** (4 - len(first)):
        return None
    return IPv4Address(sum(one << (24 - 8 * at) for at, one in enumerate(first)) + last)


def _number(part: str) -> int:
    if part[:2] in ("0x", "0X"):
        return int(part[2:] or "0", 16)
    return int(part, 8) if part.startswith("0") and len(part) > 1 else int(part)
