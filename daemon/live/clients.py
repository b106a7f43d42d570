"""Who sent a request, as far as verdicts are concerned: whoever can be many at will counts as one."""

from ipaddress import IPv6Address, ip_address

_PREFIX = 64
"""Bits of an IPv6 address that its owner cannot choose."""


def whose(client: str) -> str:
    """Return whose a request is: its key's, or where no key is asked for, its address's.

    `client` is a key's name and an address, as `Ask.client` has them. All addresses of one IPv6 network are one.
    """
    name, _, address = client.rpartition(" ")
    return f"key {name}" if name else f"address {_network(address)}"


def _network(address: str) -> str:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address) or found.ipv4_mapped:
        return str(getattr(found, "ipv4_mapped", None) or found)
    return str(IPv6Address(int(found) >> _PREFIX << _PREFIX))
