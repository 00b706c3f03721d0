"""Which addresses pages are read from: every known way to spell one that is not out on the internet."""

import asyncio
from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemons.clients.web_addresses import parse_url, refusal
from daemons.clients.web_errors import UrlRefused
from daemons.clients.web_pages import WebPages
from daemons.settings.web_pages import WebPagesSettings
from tests.fake_clock import FakeClock
from tests.fakes.web_sites import PUBLIC, Internet

PORTS = (80, 443)
NAMES = {
    "localhost": ["127.0.0.1", "::1"],
    "local.test": ["127.0.0.1"],
    "metadata.google.internal": ["169.254.169.254"],
    "mixed.test": [PUBLIC, "10.0.0.7"],
    "mapped.test": ["::ffff:192.168.1.1"],
    "zone.test": ["fe80::1%eth0"],
    "any.test": ["0.0.0.0"],
}
"""What a hostile name server says."""

SPELLINGS = {
    "dotted": ("http://127.0.0.1/", "loopback"),
    "another of its network": ("http://127.8.9.1/", "loopback"),
    "a name of this machine": ("http://localhost/", "loopback"),
    "a name with a trailing dot": ("http://localhost./", "loopback"),
    "a name in capitals": ("http://LOCALHOST/", "loopback"),
    "a name in circled letters": ("http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/", "loopback"),
    "a name with a soft hyphen": ("http://local\u00adhost/", "not seen"),
    "a name of strangers": ("http://local.test/", "loopback"),
    "a name with good and bad addresses": ("http://mixed.test/", "private"),
    "a name of a wrapped address": ("http://mapped.test/", "192.168.1.1"),
    "a name of an interface's address": ("http://zone.test/", "zone"),
    "a name of no address": ("http://any.test/", "this machine"),
    "decimal": ("http://2130706433/", "odd spelling of 127.0.0.1"),
    "octal": ("http://0177.0.0.1/", "odd spelling of 127.0.0.1"),
    "octal in one": ("http://017700000001/", "odd spelling of 127.0.0.1"),
    "hexadecimal": ("http://0x7f.0x0.0x0.0x1/", "odd spelling of 127.0.0.1"),
    "hexadecimal in one": ("http://0x7F000001/", "odd spelling of 127.0.0.1"),
    "mixed": ("http://0x7f.0.1/", "odd spelling of 127.0.0.1"),
    "short": ("http://127.1/", "odd spelling of 127.0.0.1"),
    "padded": ("http://127.000.000.001/", "odd spelling of 127.0.0.1"),
    "dotted with a trailing dot": ("http://127.0.0.1./", "loopback"),
    "nothing": ("http://0/", "odd spelling of 0.0.0.0"),
    "this network": ("http://0.0.0.0/", "this machine"),
    "overflowing": ("http://4294967297/", "no address"),
    "a part too many": ("http://127.0.0.1.5/", "no address"),
    "percent-encoded": ("http://%31%32%37.0.0.1/", "percent-encoded"),
    "fullwidth": ("http://１２７.０.０.１/", "loopback"),
    "fullwidth decimal": ("http://２１３０７０６４３３/", "odd spelling of 127.0.0.1"),
    "circled": ("http://①②⑦.⓪.⓪.①/", "loopback"),
    "full stops of East Asia": ("http://127。0。0。1/", "loopback"),
    "a name as the user": ("http://example.org@127.0.0.1/", "before an @"),
    "an address as the user": ("http://127.0.0.1@site.test/", "before an @"),
    "a password": ("http://a:b@site.test/", "before an @"),
    "a backslash": ("http://site.test\\@127.0.0.1/", "backslash"),
    "a tab": ("http://127.0.\t0.1/", "not seen"),
    "a line's end": ("http://site.test\r\nHost: x/", "not seen"),
    "three slashes": ("http:///127.0.0.1/", "no host"),
    "no slashes": ("http:127.0.0.1/", "no host"),
    "no scheme": ("//127.0.0.1/", "does not begin with http"),
    "a character that becomes a slash": ("http://site.test／127.0.0.1/", "cannot be taken apart"),
    "IPv6": ("http://[::1]/", "loopback"),
    "IPv6 in full": ("http://[0:0:0:0:0:0:0:1]/", "loopback"),
    "IPv6, nothing": ("http://[::]/", "this machine"),
    "IPv6 with a zone": ("http://[fe80::1%25eth0]/", "zone"),
    "IPv6 and more": ("http://[::1].site.test/", "brackets"),
    "link-local IPv6": ("http://[fe80::1]/", "link-local"),
    "private IPv6": ("http://[fd12:3456::1]/", "private"),
    "multicast IPv6": ("http://[ff02::1]/", "multicast"),
    "mapped": ("http://[::ffff:127.0.0.1]/", "127.0.0.1"),
    "mapped in hexadecimal": ("http://[::ffff:7f00:1]/", "127.0.0.1"),
    "compatible": ("http://[::127.0.0.1]/", "127.0.0.1"),
    "translated": ("http://[::ffff:0:127.0.0.1]/", "127.0.0.1"),
    "6to4": ("http://[2002:7f00:1::]/", "127.0.0.1"),
    "NAT64": ("http://[64:ff9b::7f00:1]/", "127.0.0.1"),
    "NAT64 of a network": ("http://[64:ff9b:1::a00:1]/", "10.0.0.1"),
    "Teredo": ("http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/", "127.0.0.1"),
    "ISATAP": ("http://[2606:2800::5efe:a00:1]/", "10.0.0.1"),
    "metadata": ("http://169.254.169.254/latest/meta-data/", "link-local"),
    "metadata by name": ("http://metadata.google.internal/", "link-local"),
    "metadata in decimal": ("http://2852039166/", "odd spelling of 169.254.169.254"),
    "metadata in IPv6": ("http://[fd00:ec2::254]/", "keys of its machines"),
    "metadata wrapped": ("http://[::ffff:a9fe:a9fe]/", "169.254.169.254"),
    "metadata of another cloud": ("http://100.100.100.200/", "keys of its machines"),
    "private 10": ("http://10.1.2.3/", "private"),
    "private 172": ("http://172.31.0.1/", "private"),
    "private 192": ("http://192.168.0.1/", "private"),
    "of a provider": ("http://100.64.0.1/", "provider"),
    "multicast": ("http://224.0.0.251/", "multicast"),
    "broadcast": ("http://255.255.255.255/", "reserved"),
    "for tests of networks": ("http://198.18.0.1/", "not on the internet"),
    "for documentation": ("http://[2001:db8::1]/", "documentation"),
    "another port": ("http://site.test:22/", "port 22"),
    "a port that is none": ("http://site.test:99999/", "cannot be taken apart"),
    "a file": ("file:///etc/passwd", "does not begin with http"),
    "another protocol": ("gopher://127.0.0.1:6379/_FLUSHALL", "does not begin with http"),
    "a script": ("javascript:alert(1)", "does not begin with http"),
    "an empty label": ("http://site..test/", "no name"),
    "too long": ("http://site.test/" + "a" * 3000, "longer than"),
    "blank": ("  ", "empty"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_an_address_that_is_not_on_the_internet_is_refused_however_it_is_spelt(spelling: str) -> None:
    url, reason = SPELLINGS[spelling]
    internet, clock = Internet(), FakeClock()
    internet.names |= NAMES

    async with WebPages(WebPagesSettings(), clock, resolve=internet.resolve, network=internet) as pages:
        with pytest.raises(UrlRefused) as refused:
            async with asyncio.timeout(10):
                await pages.read(url)

    assert refused.value.error_code == "ERR_URL_REFUSED" and refused.value.remedy
    assert reason in refused.value.reason and reason in refused.value.message
    assert internet.dialled == []


def test_the_table_of_spellings_is_long_enough() -> None:
    assert len(SPELLINGS) >= 30


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "93.184.216.34",
        "2606:4700:4700::1111",
        "2a00:1450:4001:82a::200e",
        "64:ff9b::808:808",
        "::ffff:8.8.8.8",
    ],
)
def test_an_address_on_the_internet_is_taken(address: str) -> None:
    assert refusal(address) is None


@pytest.mark.parametrize("address", ["10.0.0.7", "127.0.0.1", "::1", "192.168.1.1", "fd12::1", "100.64.3.4"])
def test_an_own_address_is_taken_where_that_was_allowed(address: str) -> None:
    assert refusal(address) is not None
    assert refusal(address, allow_private=True) is None


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "fe80::1",
        "0.0.0.0",
        "224.0.0.1",
        "fd00:ec2::254",
        "100.100.100.200",
        "::",
        "::ffff:169.254.1.1",
    ],
)
def test_where_keys_are_kept_nobody_is_allowed_to(address: str) -> None:
    assert refusal(address, allow_private=True) is not None


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("HTTP://Site.Test", "http://site.test/"),
        (" https://site.test:443/a?b=c#d ", "https://site.test/a?b=c"),
        ("http://bücher.example/ä ö".replace(" ", "%20"), "http://xn--bcher-kva.example/%C3%A4%20%C3%B6"),
        ("http://8.8.8.8/", "http://8.8.8.8/"),
        ("http://under_score.site.test/?q=ü|x", "http://under_score.site.test/?q=%C3%BC|x"),
        ("http://[2606:4700:4700:0::1111]/x", "http://[2606:4700:4700::1111]/x"),
    ],
)
def test_a_good_address_is_asked_for_as_it_is(given: str, read: str) -> None:
    assert parse_url(given, PORTS).url == read


HOSTS = st.one_of(
    st.text(max_size=20),
    st.ip_addresses().map(lambda ip: f"[{ip}]" if ip.version == 6 else str(ip)),
    st.text("0123456789xXabcdef.%:[]@/\\。１２①", max_size=16),
    st.from_regex(r"[a-zäöß⒈-⒛ᵃ-ᶻ]{1,8}(\.[a-z0-9ａ-ｚ]{1,6}){0,3}\.?", fullmatch=True),
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.sampled_from(["http://", "https://", "http:", "//", "HTTP:/"]), HOSTS, st.text(max_size=12))
def test_whatever_is_written_is_refused_or_read_in_one_way_only(scheme: str, host: str, rest: str) -> None:
    try:
        address = parse_url(scheme + host + rest, PORTS)
    except UrlRefused as error:
        assert error.reason and error.message
        return

    assert address.url.isascii() and address.url.isprintable() and " " not in address.url
    assert parse_url(address.url, PORTS) == address
    # What other programs read in it is the same: nobody is led elsewhere by the spelling.
    split = urlsplit(address.url)
    assert (split.hostname, split.username, split.scheme) == (address.host, None, address.scheme)
    if address.host.replace(".", "").isdecimal() or ":" in address.host:
        assert str(ip_address(address.host)) == address.host
