"""What one signaling process tells another of its swarms."""

import msgspec

from shoal.signaling.tracker.messages import (
    InfoHash,
    PeerId,
    RelayedAnswer,
    RelayedOffer,
    ToClient,
)


class SwarmPeer(msgspec.Struct, frozen=True, array_like=True):
    """A peer of a swarm, connected to the process that says so."""

    info_hash: InfoHash
    peer_id: PeerId
    seed: bool
    network: str
    country: str


class Relay(msgspec.Struct, frozen=True, tag_field="t", tag="o"):
    """An offer or answer for a peer of the process that this is sent to."""

    info_hash: InfoHash
    sender: PeerId
    to: PeerId
    offer_id: str
    description: bytes
    """JSON, unread"""
    answer: bool


def as_relay(message: ToClient, to: PeerId) -> Relay | None:
    """Return what the process that has the peer `to` needs to pass a message on to it."""
    if isinstance(message, RelayedOffer):
        description, answer = bytes(message.offer), False
    elif isinstance(message, RelayedAnswer):
        description, answer = bytes(message.answer), True
    else:
        return None
    return Relay(message.info_hash, message.peer_id, to, message.offer_id, description, answer)


def as_message(said: Relay) -> RelayedOffer | RelayedAnswer:
    """Return what the client is told."""
    description = msgspec.Raw(said.description)
    if said.answer:
        return RelayedAnswer(
            info_hash=said.info_hash,
            peer_id=said.sender,
            offer_id=said.offer_id,
            answer=description,
        )
    return RelayedOffer(
        info_hash=said.info_hash, peer_id=said.sender, offer_id=said.offer_id, offer=description
    )
