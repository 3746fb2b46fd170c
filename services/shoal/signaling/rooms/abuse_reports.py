"""Who sends bad pieces, as the others of its room say."""

from shoal.signaling.rooms.messages import MemberId

MIN_REPORTING_ADDRESSES = 2
"""addresses that must complain about a member before it is expelled"""


class AbuseReports:
    """Complaints about members, by the address that they came from."""

    def __init__(self) -> None:
        self._addresses: dict[MemberId, str] = {}
        self._reporters: dict[MemberId, set[str]] = {}

    def add_member(self, member: MemberId, address: str) -> None:
        """Note where a member is."""
        self._addresses[member] = address

    def remove_member(self, member: MemberId) -> None:
        """Forget a member."""
        self._addresses.pop(member, None)
        self._reporters.pop(member, None)

    def add(self, reporter: MemberId, reported: MemberId) -> bool:
        """Take a complaint of one member about another; say whether there are enough.

        Complaints from the same address count once, and from the member's own not at all.
        """
        address = self._addresses[reporter]
        if address == self._addresses[reported]:
            return False
        addresses = self._reporters.setdefault(reported, set())
        addresses.add(address)
        return len(addresses) >= MIN_REPORTING_ADDRESSES
