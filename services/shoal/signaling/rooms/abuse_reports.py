"""Who sends bad pieces, as the others of its room say."""

from shoal.signaling.rooms.messages import MemberId

REPORTERS = 2
"""addresses that must complain about a member before it is expelled"""


class Complaints:
    """Complaints about members, by the address that they came from."""

    def __init__(self) -> None:
        self._addresses: dict[MemberId, str] = {}
        self._about: dict[MemberId, set[str]] = {}

    def joined(self, member: MemberId, address: str) -> None:
        """Note where a member is."""
        self._addresses[member] = address

    def left(self, member: MemberId) -> None:
        """Forget a member."""
        self._addresses.pop(member, None)
        self._about.pop(member, None)

    def add(self, sender: MemberId, about: MemberId) -> bool:
        """Take a complaint of one member about another; say whether there are enough.

        Complaints from the same address count once, and from the member's own not at all.
        """
        address = self._addresses[sender]
        if address == self._addresses[about]:
            return False
        addresses = self._about.setdefault(about, set())
        addresses.add(address)
        return len(addresses) >= REPORTERS
