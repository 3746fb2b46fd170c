"""Which room a viewer fits into best: an index, so that nobody looks at all rooms."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Content:
    """What counts of a room."""

    size: int
    """members"""
    playing: Mapping[int, int]
    """of these, how many share each rendition; none without any"""


class Vacancies(Generic[Name]):
    """Rooms by size and by how many share a rendition."""

    def __init__(self) -> None:
        self._contents: dict[Name, Content] = {}
        self._by_size: dict[int, dict[Name, None]] = {}
        self._by_rendition: dict[int, dict[tuple[int, int], dict[Name, None]]] = {}
        """by rendition: rooms by how many share it, and their size"""

    def __getitem__(self, room: Name) -> Content:
        return self._contents[room]

    def put(self, room: Name, content: Content) -> None:
        """Note what is in a room."""
        if self._contents.get(room) == content:
            return
        self.remove(room)
        self._contents[room] = content
        self._by_size.setdefault(content.size, {})[room] = None
        for variant, playing in content.playing.items():
            rooms = self._by_rendition.setdefault(variant, {})
            rooms.setdefault((playing, content.size), {})[room] = None

    def remove(self, room: Name) -> None:
        """Forget a room, if it is known."""
        content = self._contents.pop(room, None)
        if content is None:
            return
        _take_out(self._by_size, content.size, room)
        for variant, playing in content.playing.items():
            rooms = self._by_rendition[variant]
            _take_out(rooms, (playing, content.size), room)
            if not rooms:
                del self._by_rendition[variant]

    def best(
        self, variant: int, most: int, *, more_than: int = 0, but: Name | None = None
    ) -> Name | None:
        """Return the room where most share a rendition, and of such rooms the fullest.

        Rooms of more than `most` members do not count, nor those where not `more_than` so many
        share it, nor the room `but`.
        """
        rooms = self._by_rendition.get(variant, {})
        fitting = (key for key in rooms if key[0] > more_than and key[1] <= most)
        return _first(((key, rooms[key]) for key in fitting), but)

    def fullest(self, most: int, *, but: Name | None = None) -> Name | None:
        """Return the fullest room of at most so many members."""
        sizes = ((size, rooms) for size, rooms in self._by_size.items() if size <= most)
        return _first(sizes, but)

    def smallest(self) -> Name | None:
        """Return the smallest room."""
        return next(iter(self._by_size[min(self._by_size)])) if self._by_size else None


Key = TypeVar("Key", int, tuple[int, int])


def _take_out(buckets: dict[Key, dict[Name, None]], key: Key, room: Name) -> None:
    del buckets[key][room]
    if not buckets[key]:
        del buckets[key]


def _first(buckets: Iterable[tuple[Key, dict[Name, None]]], but: Name | None) -> Name | None:
    """Return the first room of the bucket with the highest key that has another one than `but`."""
    others = (found for found in buckets if len(found[1]) > 1 or but not in found[1])
    best = max(others, default=None, key=lambda found: found[0])
    return None if best is None else next(room for room in best[1] if room != but)
