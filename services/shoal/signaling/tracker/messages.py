"""The messages between a WebTorrent tracker and its clients: JSON over a WebSocket.

Hashes and ids are binary: 20 bytes, each written as the character with that number (latin-1).
Session descriptions are passed on unread.
"""

from typing import Annotated, Literal, NewType

import msgspec
from msgspec import Meta, Raw

HASH_CHARACTERS = 20
MAX_OFFERS = 20
"""offers of one announce, the rest is ignored; wt-tracker's default"""
MAX_SCRAPED = 512
"""hashes of one scrape: four variants of 60 segments, and as many that have just left the window"""

InfoHash = NewType("InfoHash", str)
"""v1 infohash, 20 latin-1 characters"""
PeerId = NewType("PeerId", str)
"""20 latin-1 characters"""

OfferId = Annotated[str, Meta(max_length=64)]
Binary = Annotated[str, Meta(max_length=64)]
"""a hash or an id as received, not checked yet"""


_WITHOUT_ANSWER = (Raw(), Raw(b"null"))


class Offer(msgspec.Struct, frozen=True):
    """One session description, for whichever peer it is passed to."""

    offer_id: OfferId
    offer: Raw


class Announce(msgspec.Struct, frozen=True, tag_field="action", tag="announce"):
    """Client → tracker: I am here; or, with `answer`, an answer for `to_peer_id`."""

    info_hash: Binary = ""
    peer_id: Binary = ""
    event: str | None = None
    left: float | None = None
    """bytes that the client lacks; null while it does not know"""
    numwant: float | None = None
    """offers that the client will answer until its next announce"""
    offers: list[Offer] | None = None
    to_peer_id: Binary | None = None
    offer_id: OfferId | None = None
    answer: Raw = Raw()

    @property
    def is_answer(self) -> bool:
        """Whether this is an answer, which announces nothing."""
        return self.answer not in _WITHOUT_ANSWER


class Scrape(msgspec.Struct, frozen=True, tag_field="action", tag="scrape"):
    """Client → tracker: how many peers are there?"""

    info_hash: Binary | list[Binary] | None = None
    """null: of every torrent of the station"""


class Counts(msgspec.Struct, frozen=True):
    """The numbers of peers in a swarm."""

    complete: int
    incomplete: int
    downloaded: int = 0


class AnnounceResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Tracker → client: you are in the swarm."""

    action: Literal["announce"] = "announce"
    info_hash: InfoHash
    interval: int
    """seconds until the next announce is due"""
    complete: int
    incomplete: int


class PeerOffer(msgspec.Struct, frozen=True, kw_only=True):
    """Tracker → client: another peer's offer."""

    action: Literal["announce"] = "announce"
    info_hash: InfoHash
    peer_id: PeerId
    offer_id: str
    offer: Raw


class PeerAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Tracker → client: another peer's answer to an offer of this client."""

    action: Literal["announce"] = "announce"
    info_hash: InfoHash
    peer_id: PeerId
    offer_id: str
    answer: Raw


class ScrapeResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Tracker → client: the requested swarms."""

    action: Literal["scrape"] = "scrape"
    files: dict[InfoHash, Counts]


class Failure(msgspec.Struct, frozen=True, kw_only=True, rename={"reason": "failure reason"}):
    """Tracker → client: the request was refused; the socket stays open."""

    action: str
    info_hash: str
    reason: str


FromClient = Announce | Scrape
ToClient = AnnounceResponse | PeerOffer | PeerAnswer | ScrapeResponse | Failure


class BadMessageError(Exception):
    """A frame that is not a valid message."""


_decoder = msgspec.json.Decoder[FromClient](FromClient)
_encoder = msgspec.json.Encoder()


def decode(frame: str | bytes) -> FromClient:
    """Decode a frame; raises BadMessageError."""
    try:
        return _decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadMessageError(str(error)) from error


def encode(message: ToClient) -> bytes:
    """Encode a message as a frame."""
    return _encoder.encode(message)


def is_binary_20(text: str) -> bool:
    """Return whether `text` stands for 20 bytes."""
    try:
        return len(text.encode("latin-1")) == HASH_CHARACTERS
    except UnicodeEncodeError:
        return False
