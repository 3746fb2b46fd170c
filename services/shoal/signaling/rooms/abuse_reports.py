"""Reports of members that sent bad pieces."""

from shoal.signaling.rooms.messages import MemberId

MIN_REPORTING_ADDRESSES = 2
"""addresses that must report a member before it is expelled"""


class AbuseReports:
    """Reports about members, by the address they came from."""

    def __init__(self) -> None:
        self._addresses: dict[MemberId, str] = {}
        self._reporters: dict[MemberId, set[str]] = {}

    def add_member(self, member: MemberId, address: str) -> None:
        """Note a member's address."""
        self._addresses[member] = address

    def remove_member(self, member: MemberId) -> None:
        """Forget a member."""
        self._addresses.pop(member, None)
        self._reporters.pop(member, None)

    def add(self, reporter: MemberId, reported: MemberId) -> bool:
        """Add one member's report about another; return whether there are enough to expel it.

        Reports from one address count once, and those from the member's own address not at all.
        """
        address = self._addresses[reporter]
        if address == self._addresses[reported]:
            return False
        addresses = self._reporters.setdefault(reported, set())
        addresses.add(address)
        return len(addresses) >= MIN_REPORTING_ADDRESSES
