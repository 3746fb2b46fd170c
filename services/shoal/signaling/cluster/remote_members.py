"""The rooms of this node and their members: viewers of this node, and of others.

Plain. What follows from an event is added to `Effects`.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence

from shoal.announcements import Stream
from shoal.segments import Descriptor
from shoal.signaling.broadcast_state import BroadcastState
from shoal.signaling.cluster.effects import Effects
from shoal.signaling.cluster.messages import (
    ExpelMember,
    JoinAccepted,
    JoinRejected,
    JoinRequest,
    MemberMessage,
    MembersLeft,
    NodeId,
    RoomSummaries,
    RoomSummary,
)
from shoal.signaling.rooms.messages import (
    FromViewer,
    Links,
    MemberId,
    Ready,
    Report,
    Signal,
    Stats,
    SwitchVariant,
    decode,
)
from shoal.signaling.rooms.plan import PLAN_VERSION
from shoal.signaling.rooms.rebalancer import RelocationRequest
from shoal.signaling.rooms.room import MemberState, Outgoing
from shoal.signaling.rooms.rooms import MERGE_LIMIT, REBALANCE_INTERVAL_S, Rooms


class LocalRooms:
    """Rooms with local and remote members. Times are seconds of a monotonic clock."""

    def __init__(self, node: NodeId, broadcast: BroadcastState) -> None:
        """Hold the rooms of `node`; new members get what `broadcast` holds."""
        numbers = itertools.count(1)
        self.rooms = Rooms(lambda: f"{node}-{next(numbers)}")
        self._broadcast = broadcast
        self._remote_members: dict[MemberId, NodeId] = {}
        self._leaving: dict[str, float] = {}
        """rooms whose members were sent to other nodes, and when"""
        self._unreported: dict[str, None] = {}
        """rooms that have changed since other nodes were told; empty without other nodes"""

    def join(
        self,
        member: MemberId,
        state: MemberState,
        address: str,
        now: float,
        effects: Effects,
        *,
        room: str | None = None,
    ) -> None:
        """Add a new member."""
        stream, recent = self._broadcast.stream, self._broadcast.recent(state.variant)
        self._add(
            self.rooms.join(
                member, state, address, stream=stream, recent=recent, now=now, into=room
            ),
            effects,
        )

    def join_together(
        self,
        states: Mapping[MemberId, MemberState],
        addresses: Mapping[MemberId, str],
        now: float,
        effects: Effects,
        *,
        room: str | None = None,
    ) -> None:
        """Add members of a room elsewhere to one room together."""
        self._add(self.rooms.join_together(states, addresses, self._broadcast, now, room), effects)

    def leave(self, member: MemberId, now: float, effects: Effects) -> None:
        """Remove a member."""
        self._remote_members.pop(member, None)
        self._add(self.rooms.leave(member, now), effects)

    def receive(self, member: MemberId, message: FromViewer, now: float, effects: Effects) -> None:
        """Handle a member's message."""
        rooms = self.rooms
        match message:
            case Signal(to, data):
                self._add(rooms.forward_signal(member, to, data), effects, droppable=True)
            case SwitchVariant(variant):
                self._add(rooms.switch_variant(member, variant, now), effects)
            case Links(unreachable):
                self._add(rooms.set_unreachable(member, unreachable, now), effects)
            case Ready():
                self._add(rooms.set_ready(member, now), effects)
            case Stats(uplink_bps=float(bps)):
                rooms.set_uplink(member, bps, now)
            case Report(reported) if rooms.report_abuse(member, reported):
                node = self._remote_members.get(reported)
                if node is None:
                    effects.expelled.append(reported)
                else:
                    effects.node_messages.append((node, ExpelMember(reported)))
            case _:
                pass

    def receive_from_node(
        self,
        node: NodeId,
        message: JoinRequest | MemberMessage | MembersLeft,
        now: float,
        effects: Effects,
    ) -> None:
        """Handle a message of the node of remote members."""
        match message:
            case JoinRequest():
                self._accept_or_reject(node, message, now, effects)
            case MemberMessage(member, frame):
                received = decode(frame)
                if received is not None and self._remote_members.get(member) == node:
                    self.receive(member, received, now, effects)
            case MembersLeft(members):
                self._remove_members(node, members, now, effects)

    def _accept_or_reject(
        self, node: NodeId, request: JoinRequest, now: float, effects: Effects
    ) -> None:
        members = [joining.member for joining in request.members]
        room = self._room_for(request, now)
        if room is None:
            effects.node_messages.append((node, JoinRejected(members)))
            return
        for member in members:
            self.leave(member, now, effects)  # a member that is still in a room here has left it
        self._remote_members.update(dict.fromkeys(members, node))
        effects.node_messages.append((node, JoinAccepted(members)))
        states = {
            joining.member: MemberState(joining.variant, sharing=True, upload=joining.upload)
            for joining in request.members
        }
        addresses = {joining.member: joining.address for joining in request.members}
        if request.relocated:
            self.join_together(states, addresses, now, effects, room=room)
        else:
            for member, state in states.items():
                self.join(member, state, addresses[member], now, effects, room=room)

    def _remove_members(
        self, node: NodeId, members: Sequence[MemberId], now: float, effects: Effects
    ) -> None:
        for member in members:
            if self._remote_members.get(member) == node:
                self.leave(member, now, effects)

    def remove_members_of(self, node: NodeId, now: float, effects: Effects) -> None:
        """Remove all members of a node."""
        self._remove_members(
            node, [m for m, n in self._remote_members.items() if n == node], now, effects
        )

    def fits(self, room: str, count: int, limit: int, now: float) -> bool:
        """Return whether `count` members together may join a room."""
        occupancy = self.rooms.occupancy(room)
        if occupancy is None or occupancy.size + count > limit:
            return False
        if limit > MERGE_LIMIT:
            return True
        return self.rooms.may_merge(room, now) and not self._is_leaving(room, now)

    def node_of(self, member: MemberId) -> NodeId | None:
        """Return the node of a remote member; None for a local one."""
        return self._remote_members.get(member)

    def note_relocation(self, request: RelocationRequest, now: float) -> None:
        """Note that members were sent to another node, so that no others merge into their room."""
        if request.limit == MERGE_LIMIT:
            self._leaving = {r: at for r, at in self._leaving.items() if self._is_leaving(r, now)}
            self._leaving[request.room] = now

    def report_changes(self, on_change: Callable[[], None]) -> None:
        """Report changes of rooms to other nodes: `on_change` is called when there are some."""

        def changed(room: str) -> None:
            self._unreported[room] = None
            on_change()

        self.rooms.on_change = changed

    def changed_rooms(self) -> RoomSummaries:
        """Return, once, the rooms that have changed since the last call."""
        summaries = [self._summary(room) for room in self._unreported]
        self._unreported.clear()
        return RoomSummaries(PLAN_VERSION, summaries, is_complete=False)

    def all_rooms(self) -> RoomSummaries:
        """Return all rooms, for nodes that know none."""
        summaries = [self._summary(room) for room in self.rooms.names]
        return RoomSummaries(PLAN_VERSION, summaries, is_complete=True)

    def publish(self, descriptor: Descriptor, now: float, effects: Effects) -> None:
        """Announce a segment in all rooms."""
        self._add(self.rooms.publish(descriptor, now), effects)

    def set_stream(self, stream: Stream, effects: Effects) -> None:
        """Tell all members what is on air."""
        self._add(self.rooms.set_stream(stream), effects)

    def tick(self, now: float, effects: Effects) -> None:
        """Do what is due."""
        self._add(self.rooms.tick(now), effects)

    def _summary(self, room: str) -> RoomSummary:
        occupancy = self.rooms.occupancy(room)
        if occupancy is None:
            return RoomSummary(room, 0, {})
        return RoomSummary(room, occupancy.size, dict(occupancy.by_variant))

    def _is_leaving(self, room: str, now: float) -> bool:
        return now - self._leaving.get(room, float("-inf")) < REBALANCE_INTERVAL_S

    def _room_for(self, request: JoinRequest, now: float) -> str | None:
        if self.fits(request.room, len(request.members), request.limit, now):
            return request.room
        return None if request.relocated else self.rooms.best_room(request.members[0].variant)

    def _add(
        self, outgoing: Sequence[Outgoing], effects: Effects, *, droppable: bool = False
    ) -> None:
        effects.add_messages(outgoing, self._remote_members.get, droppable=droppable)
