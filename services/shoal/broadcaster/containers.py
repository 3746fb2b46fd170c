"""Checks that a segment's container is complete: a file that was cut off almost never is."""

TS_PACKET_BYTES = 188
TS_SYNC_BYTE = 0x47
BOX_HEADER_BYTES = 8

CONTENT_TYPES = {".ts": "video/mp2t", ".m4s": "video/mp4", ".mp4": "video/mp4"}


def is_whole(name: str, data: bytes) -> bool:
    """Return whether `data` is whole MP4 boxes (`.m4s`) or whole MPEG-TS packets (other names)."""
    return _is_whole_boxes(data) if name.endswith(".m4s") else _is_whole_packets(data)


def content_type(name: str) -> str:
    """Return the media type of a segment or init section, by its file extension."""
    return CONTENT_TYPES[name[name.rindex(".") :]]


def _is_whole_packets(data: bytes) -> bool:
    """ISO/IEC 13818-1, section 2.4.3."""
    return bool(data) and len(data) % TS_PACKET_BYTES == 0 and data[0] == TS_SYNC_BYTE


def _is_whole_boxes(data: bytes) -> bool:
    """ISO/IEC 14496-12, section 4.2: sizes of 32 bits, or of 64 when the first one is 1."""
    offset = 0
    while offset + BOX_HEADER_BYTES <= len(data):
        size = int.from_bytes(data[offset : offset + 4])
        if size == 1:
            size = int.from_bytes(data[offset + 8 : offset + 16])
        if size < BOX_HEADER_BYTES:
            return False
        offset += size
    return bool(data) and offset == len(data)
