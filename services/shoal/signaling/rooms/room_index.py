"""An index of rooms that finds the best one for a viewer without looking at all of them."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Occupancy:
    """What placement needs to know of a room."""

    size: int
    """members"""
    by_variant: Mapping[int, int]
    """members that share each variant; variants without any are left out"""


class RoomIndex(Generic[Name]):
    """Rooms by size, and by how many members share a variant."""

    def __init__(self) -> None:
        self._occupancies: dict[Name, Occupancy] = {}
        self._by_size: dict[int, dict[Name, None]] = {}
        self._by_variant: dict[int, dict[tuple[int, int], dict[Name, None]]] = {}
        """by variant: rooms by members that share it, and size"""

    def __getitem__(self, room: Name) -> Occupancy:
        return self._occupancies[room]

    def set(self, room: Name, occupancy: Occupancy) -> None:
        """Set a room's occupancy."""
        if self._occupancies.get(room) == occupancy:
            return
        self.remove(room)
        self._occupancies[room] = occupancy
        self._by_size.setdefault(occupancy.size, {})[room] = None
        for variant, count in occupancy.by_variant.items():
            rooms = self._by_variant.setdefault(variant, {})
            rooms.setdefault((count, occupancy.size), {})[room] = None

    def remove(self, room: Name) -> None:
        """Forget a room, if it is known."""
        occupancy = self._occupancies.pop(room, None)
        if occupancy is None:
            return
        _remove_from(self._by_size, occupancy.size, room)
        for variant, count in occupancy.by_variant.items():
            rooms = self._by_variant[variant]
            _remove_from(rooms, (count, occupancy.size), room)
            if not rooms:
                del self._by_variant[variant]

    def best(
        self, variant: int, max_size: int, *, more_than: int = 0, exclude: Name | None = None
    ) -> Name | None:
        """Return the room with the most members on a variant, and of such rooms the fullest.

        Rooms with more than `max_size` members are skipped, as are those without more than
        `more_than` members on the variant, and the room `exclude`.
        """
        rooms = self._by_variant.get(variant, {})
        fitting = (key for key in rooms if key[0] > more_than and key[1] <= max_size)
        return _best_room(((key, rooms[key]) for key in fitting), exclude)

    def fullest(self, max_size: int, *, exclude: Name | None = None) -> Name | None:
        """Return the fullest room with at most `max_size` members."""
        sizes = ((size, rooms) for size, rooms in self._by_size.items() if size <= max_size)
        return _best_room(sizes, exclude)

    def smallest(self) -> Name | None:
        """Return the smallest room."""
        return next(iter(self._by_size[min(self._by_size)])) if self._by_size else None


Key = TypeVar("Key", int, tuple[int, int])


def _remove_from(buckets: dict[Key, dict[Name, None]], key: Key, room: Name) -> None:
    del buckets[key][room]
    if not buckets[key]:
        del buckets[key]


def _best_room(
    buckets: Iterable[tuple[Key, dict[Name, None]]], exclude: Name | None
) -> Name | None:
    """Return the first room, `exclude` aside, of the bucket with the highest key."""
    others = (found for found in buckets if len(found[1]) > 1 or exclude not in found[1])
    best = max(others, default=None, key=lambda found: found[0])
    return None if best is None else next(room for room in best[1] if room != exclude)
