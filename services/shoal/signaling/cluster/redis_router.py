"""Routes each viewer of this node to its room, here or on another node.

Events in, `Effects` out; no I/O. A viewer's messages go to the node of its room, and what the room
sends comes back. A viewer always has a room: when a node does not answer in time, is gone, or
messages from it were lost, its viewers here join rooms of this node.
"""

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import msgspec

from shoal.announcements import Stream
from shoal.segments import Descriptor
from shoal.signaling.broadcast_state import BroadcastState
from shoal.signaling.cluster.effects import Effects, OutgoingFrame, group_by_node
from shoal.signaling.cluster.messages import (
    Deliver,
    DeliverRoster,
    ExpelMember,
    JoinAccepted,
    JoiningMember,
    JoinRejected,
    JoinRequest,
    MemberMessage,
    MembersLeft,
    NodeId,
    RelocateMembers,
    Reset,
    RoomSummaries,
    RoutingMessage,
)
from shoal.signaling.cluster.remote_members import LocalRooms
from shoal.signaling.cluster.remote_rooms import Destination, RemoteRooms
from shoal.signaling.rooms.messages import FromViewer, MemberId, SwitchVariant
from shoal.signaling.rooms.plan import PLAN_VERSION
from shoal.signaling.rooms.room import MemberState

JOIN_ANSWER_TIMEOUT_S = 1.0
"""for a node to answer a join request: no viewer waits longer"""
NODE_TIMEOUT_S = 8.0
"""a node that is silent for this long is gone, with its rooms and viewers"""


@dataclass(slots=True)
class _Viewer:
    state: MemberState
    address: str
    node: NodeId | None = None
    """node of its room; None until it has one"""
    room: str = ""
    """its room, if that is on another node"""
    pending_request: tuple[NodeId, float] | None = None
    """the node that was asked to accept it, and the deadline for the answer"""


class RedisRouter:
    """The viewers of one node, and its rooms. Times are seconds of a monotonic clock."""

    def __init__(self, node: NodeId, broadcast: BroadcastState) -> None:
        """Route for `node`; new members get what `broadcast` holds."""
        self._node = node
        self.local_rooms = LocalRooms(node, broadcast)
        self._remote_rooms = RemoteRooms()
        self._viewers: dict[MemberId, _Viewer] = {}
        self._deadlines: deque[tuple[float, MemberId]] = deque()
        self._effects = Effects()

    @property
    def due(self) -> float | None:
        """When `tick` must be called; None: not before another event."""
        times = [self.local_rooms.rooms.due, self._deadlines[0][0] if self._deadlines else None]
        return min((time for time in times if time is not None), default=None)

    def node_of(self, member: MemberId) -> NodeId | None:
        """Return the node of a viewer's room; None while it waits for one."""
        return self._viewers[member].node

    def join(self, member: MemberId, state: MemberState, address: str, now: float) -> Effects:
        """Add a viewer."""
        viewer = self._viewers[member] = _Viewer(state, address)
        destination = self._better_remote_room(state.variant) if state.sharing else None
        if destination is None:
            self._join_locally(member, viewer, now)
        else:
            self._request_join(destination, [member], now, relocated=False)
        return self._take_effects()

    def leave(self, member: MemberId, now: float) -> Effects:
        """Remove a viewer."""
        viewer = self._viewers.pop(member)
        self._leave_room(member, viewer, now)
        self._cancel_request(member, viewer)
        return self._take_effects()

    def receive(self, member: MemberId, message: FromViewer, now: float) -> Effects:
        """Handle a viewer's message."""
        viewer = self._viewers[member]
        if viewer.node == self._node:
            self.local_rooms.receive(member, message, now, self._effects)
            return self._take_effects()
        if isinstance(message, SwitchVariant):
            viewer.state.variant = message.variant
        node = viewer.node or (viewer.pending_request and viewer.pending_request[0])
        if node is not None:
            self._send_to_node(node, MemberMessage(member, msgspec.json.encode(message)))
        return self._take_effects()

    def publish(self, descriptor: Descriptor, now: float) -> Effects:
        """Announce a segment in all rooms of this node."""
        self.local_rooms.publish(descriptor, now, self._effects)
        return self._take_effects()

    def set_stream(self, stream: Stream) -> Effects:
        """Tell all rooms of this node what is on air."""
        self.local_rooms.set_stream(stream, self._effects)
        return self._take_effects()

    def tick(self, now: float) -> Effects:
        """Do what is due."""
        self.local_rooms.tick(now, self._effects)
        while self._deadlines and self._deadlines[0][0] <= now:
            deadline, member = self._deadlines.popleft()
            viewer = self._viewers.get(member)
            if (
                viewer is not None
                and viewer.pending_request is not None
                and viewer.pending_request[1] == deadline
            ):
                self._remote_rooms.mark_unresponsive(viewer.pending_request[0])
                self._cancel_request(member, viewer)
                if viewer.node is None:
                    self._join_locally(member, viewer, now)
        self._request_relocations(now)
        return self._take_effects()

    def receive_node(self, node: NodeId, messages: Sequence[RoutingMessage], now: float) -> Effects:
        """Handle messages of another node; none at all still show that it is there."""
        self._remote_rooms.note_message(node, now)
        for message in messages:
            self._receive_from_node(node, message, now)
        return self._take_effects()

    def reset(self, node: NodeId, now: float) -> Effects:
        """Start over with a node, because messages from it were lost."""
        self._send_to_node(node, Reset())
        self._give_up_node(node, now)
        return self._take_effects()

    def expire_nodes(self, now: float) -> Effects:
        """Forget the nodes that are silent."""
        for node in self._remote_rooms.silent_since(now - NODE_TIMEOUT_S):
            self._remote_rooms.remove_node(node)
            self._send_to_node(node, Reset())
            self._give_up_node(node, now)
        return self._take_effects()

    def _receive_from_node(self, node: NodeId, message: RoutingMessage, now: float) -> None:
        match message:
            case JoinRequest() | MemberMessage() | MembersLeft():
                self.local_rooms.receive_from_node(node, message, now, self._effects)
            case RoomSummaries(version, summaries, is_complete):
                if version == PLAN_VERSION:
                    self._remote_rooms.update(node, summaries, replace_all=is_complete)
            case JoinAccepted(members):
                self._on_accepted(node, members, now)
            case JoinRejected(members):
                self._on_rejected(node, members, now)
            case Deliver(to, frame, droppable):
                local = tuple(self._viewers_at(node, to))
                self._effects.frames.append(OutgoingFrame(local, frame, droppable))
            case DeliverRoster(room, to, frame):
                self._deliver_roster(room, self._viewers_at(node, to), frame)
            case ExpelMember(member):
                self._effects.expelled += self._viewers_at(node, [member])
            case RelocateMembers(members, to, room, limit):
                self._relocate(self._viewers_at(node, members), Destination(to, room, limit), now)
            case Reset():
                self._give_up_node(node, now)

    def _deliver_roster(self, room: str, members: Sequence[MemberId], frame: bytes) -> None:
        for member in members:
            self._viewers[member].room = room
        self._effects.add_roster(members, frame)

    def _viewers_at(self, node: NodeId, members: Collection[MemberId]) -> list[MemberId]:
        """Return those of our viewers whose room is on a node."""
        return [m for m in members if m in self._viewers and self._viewers[m].node == node]

    def _better_remote_room(self, variant: int) -> Destination | None:
        rooms = self.local_rooms.rooms
        best_local = rooms.best_room(variant)
        occupancy = None if best_local is None else rooms.occupancy(best_local)
        return self._remote_rooms.better_than_local(variant, occupancy, rooms.count)

    def _request_join(
        self, destination: Destination, members: Sequence[MemberId], now: float, *, relocated: bool
    ) -> None:
        """Ask a node to accept viewers; until it does they stay where they are."""
        deadline = now + JOIN_ANSWER_TIMEOUT_S
        joining: list[JoiningMember] = []
        for member in members:
            viewer = self._viewers[member]
            viewer.pending_request = (destination.node, deadline)
            self._deadlines.append((deadline, member))
            joining.append(
                JoiningMember(member, viewer.state.variant, viewer.state.upload, viewer.address)
            )
        self._send_to_node(
            destination.node, JoinRequest(joining, destination.room, destination.limit, relocated)
        )
        self._remote_rooms.note_join_request(destination, [member.variant for member in joining])

    def _on_accepted(self, node: NodeId, members: Sequence[MemberId], now: float) -> None:
        for member in members:
            viewer = self._viewers.get(member)
            if (
                viewer is not None
                and viewer.pending_request is not None
                and viewer.pending_request[0] == node
            ):
                self._leave_room(member, viewer, now)
                viewer.state = _copy_for_new_room(viewer.state)
                viewer.node, viewer.pending_request = node, None

    def _on_rejected(self, node: NodeId, members: Sequence[MemberId], now: float) -> None:
        for member in members:
            viewer = self._viewers.get(member)
            if (
                viewer is not None
                and viewer.pending_request is not None
                and viewer.pending_request[0] == node
            ):
                viewer.pending_request = None
                if viewer.node is None:
                    self._join_locally(member, viewer, now)

    def _join_locally(self, member: MemberId, viewer: _Viewer, now: float) -> None:
        viewer.node = self._node
        self.local_rooms.join(member, viewer.state, viewer.address, now, self._effects)

    def _join_locally_together(
        self, members: Sequence[MemberId], now: float, room: str | None = None
    ) -> None:
        viewers = {member: self._viewers[member] for member in members}
        for viewer in viewers.values():
            viewer.node, viewer.state = self._node, _copy_for_new_room(viewer.state)
        states = {member: viewer.state for member, viewer in viewers.items()}
        addresses = {member: viewer.address for member, viewer in viewers.items()}
        self.local_rooms.join_together(states, addresses, now, self._effects, room=room)

    def _leave_room(self, member: MemberId, viewer: _Viewer, now: float) -> None:
        if viewer.node == self._node:
            self.local_rooms.leave(member, now, self._effects)
        elif viewer.node is not None:
            self._send_to_node(viewer.node, MembersLeft([member]))

    def _cancel_request(self, member: MemberId, viewer: _Viewer) -> None:
        if viewer.pending_request is not None:
            self._send_to_node(viewer.pending_request[0], MembersLeft([member]))
            viewer.pending_request = None

    def _give_up_node(self, node: NodeId, now: float) -> None:
        """Give up everything shared with a node."""
        self.local_rooms.remove_members_of(node, now, self._effects)
        rooms: dict[str, list[MemberId]] = {}
        for member, viewer in self._viewers.items():
            if viewer.pending_request is not None and viewer.pending_request[0] == node:
                self._cancel_request(member, viewer)
                if viewer.node is None:
                    rooms.setdefault("", []).append(member)
            if viewer.node == node:
                self._cancel_request(member, viewer)
                self._send_to_node(node, MembersLeft([member]))
                rooms.setdefault(viewer.room, []).append(member)
        for member in rooms.pop("", ()):  # viewers that have not been sent a roster yet
            viewer = self._viewers[member]
            viewer.state = _copy_for_new_room(viewer.state)
            self._join_locally(member, viewer, now)
        for members in rooms.values():
            self._join_locally_together(members, now)

    def _request_relocations(self, now: float) -> None:
        """Ask nodes to relocate members for whom no room here is better."""
        for request in self.local_rooms.rooms.take_unmet_requests():
            destination = self._remote_rooms.destination_for(request)
            if destination is None:
                continue
            self.local_rooms.note_relocation(request, now)
            nodes = group_by_node(request.members, self.local_rooms.node_of)
            for node, members in nodes.items():
                if node is None:
                    self._relocate(members, destination, now)
                else:
                    self._send_to_node(
                        node,
                        RelocateMembers(
                            members, destination.node, destination.room, destination.limit
                        ),
                    )

    def _relocate(self, members: Sequence[MemberId], destination: Destination, now: float) -> None:
        """Relocate viewers of this node to a better room, if its node accepts them."""
        members = [member for member in members if self._viewers[member].pending_request is None]
        if not members:
            return
        if destination.node != self._node:
            if destination.node in self._remote_rooms:
                self._request_join(destination, members, now, relocated=True)
        elif self.local_rooms.fits(destination.room, len(members), destination.limit, now):
            for member in members:
                self._leave_room(member, self._viewers[member], now)
            self._join_locally_together(members, now, destination.room)

    def _send_to_node(self, node: NodeId, message: RoutingMessage) -> None:
        self._effects.node_messages.append((node, message))

    def _take_effects(self) -> Effects:
        effects, self._effects = self._effects, Effects()
        return effects


def _copy_for_new_room(state: MemberState) -> MemberState:
    """Return the state of the same viewer in another room."""
    return MemberState(state.variant, state.sharing, state.upload)
