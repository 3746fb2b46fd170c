"""Whether a segment's bytes are whole, as far as its container shows: a cut file hardly ever is."""

TS_PACKET_BYTES = 188
TS_SYNC_BYTE = 0x47
BOX_HEADER_BYTES = 8

TYPES = {".ts": "video/mp2t", ".m4s": "video/mp4", ".mp4": "video/mp4"}


def is_whole(name: str, data: bytes) -> bool:
    """Say whether `data` is whole MPEG-TS packets, or whole MP4 boxes where the name says fMP4."""
    return _is_boxes(data) if name.endswith(".m4s") else _is_transport_stream(data)


def content_type(name: str) -> str:
    """Return the media type of a segment or initialization section, by its name."""
    return TYPES[name[name.rindex(".") :]]


def _is_transport_stream(data: bytes) -> bool:
    """ISO/IEC 13818-1, section 2.4.3."""
    return bool(data) and len(data) % TS_PACKET_BYTES == 0 and data[0] == TS_SYNC_BYTE


def _is_boxes(data: bytes) -> bool:
    """ISO/IEC 14496-12, section 4.2: sizes of 32 bits, or of 64 where the first says 1."""
    at = 0
    while at + BOX_HEADER_BYTES <= len(data):
        size = int.from_bytes(data[at : at + 4])
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16])
        if size < BOX_HEADER_BYTES:
            return False
        at += size
    return bool(data) and at == len(data)
