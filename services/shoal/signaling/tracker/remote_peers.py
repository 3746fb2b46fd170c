"""What nodes tell each other of their swarms."""

import msgspec

from shoal.signaling.tracker.messages import (
    InfoHash,
    PeerAnswer,
    PeerId,
    PeerOffer,
    ToClient,
)


class SwarmPeer(msgspec.Struct, frozen=True, array_like=True):
    """A peer of a swarm, connected to the sending node."""

    info_hash: InfoHash
    peer_id: PeerId
    seed: bool
    network: str
    country: str


class ForwardedDescription(msgspec.Struct, frozen=True, tag_field="t", tag="o"):
    """An offer or answer for a peer of the receiving node."""

    info_hash: InfoHash
    sender: PeerId
    to: PeerId
    offer_id: str
    description: bytes
    """JSON, unread"""
    answer: bool


def to_forwarded(message: ToClient, to: PeerId) -> ForwardedDescription | None:
    """Return a message for the peer `to` in the form for its node; None if it is not for a peer."""
    if isinstance(message, PeerOffer):
        description, answer = bytes(message.offer), False
    elif isinstance(message, PeerAnswer):
        description, answer = bytes(message.answer), True
    else:
        return None
    return ForwardedDescription(
        message.info_hash, message.peer_id, to, message.offer_id, description, answer
    )


def to_client_message(forwarded: ForwardedDescription) -> PeerOffer | PeerAnswer:
    """Return the message for the client."""
    description = msgspec.Raw(forwarded.description)
    if forwarded.answer:
        return PeerAnswer(
            info_hash=forwarded.info_hash,
            peer_id=forwarded.sender,
            offer_id=forwarded.offer_id,
            answer=description,
        )
    return PeerOffer(
        info_hash=forwarded.info_hash,
        peer_id=forwarded.sender,
        offer_id=forwarded.offer_id,
        offer=description,
    )
