import { describe, expect, it } from "vitest";
import type { RosterEntry, RosterMessage } from "../../src/protocol/messages";
import { Roster, mayBeReady } from "../../src/room/roster";

const member = (id: string, ready = true, variant = 0): RosterEntry => ({
  id,
  variant,
  ready,
  weight: 4,
  unreachable: [],
});
const room = (epoch: number, members: RosterEntry[], you = "me"): RosterMessage => ({
  type: "room",
  room: "main",
  epoch,
  you,
  originShare: 0,
  members,
});

const ids = (roster: Roster, epoch: number, variant: number): string[] | null =>
  roster.planInputs(epoch, variant)?.ready.map(({ id }) => id) ?? null;

describe("the roster", () => {
  it("plans a segment with the members of its own epoch", () => {
    const roster = new Roster();
    roster.apply(room(1, [member("b"), member("me", false)]));
    roster.apply(room(2, [member("b"), member("me"), member("a"), member("c", true, 1)]));
    expect(ids(roster, 1, 0)).toEqual(["b"]);
    expect(ids(roster, 2, 0)).toEqual(["a", "b", "me"]);
    expect(ids(roster, 3, 0)).toBeNull();
  });

  it("sorts ids by their bytes", () => {
    const roster = new Roster();
    roster.apply(
      room(
        1,
        ["b", "B", "a", "_", "-", "0"].map((id) => member(id)),
      ),
    );
    expect(ids(roster, 1, 0)).toEqual(["-", "0", "B", "_", "a", "b"]);
  });

  it("lists the members that were there first, not those that came later", () => {
    const roster = new Roster();
    expect(roster.apply(room(1, [member("a"), member("me", false)]))).toBe(true);
    expect(roster.apply(room(2, [member("a"), member("me"), member("late", false)]))).toBe(false);
    expect(roster.firstRoster).toEqual(["a"]);
    expect(roster.others).toEqual(["a", "late"]);
    expect(roster.ready).toBe(true);
  });

  it("leaves out members that have left", () => {
    const roster = new Roster();
    roster.apply(room(1, [member("ghost"), member("a"), member("me", false)]));
    roster.apply(room(2, [member("a"), member("me", false)]));
    expect(roster.firstRoster).toEqual(["a"]);
  });

  it("starts over under a new id", () => {
    const roster = new Roster();
    roster.apply(room(5, [member("a"), member("me")]));
    expect(roster.apply(room(1, [member("b"), member("new", false)], "new"))).toBe(true);
    expect(ids(roster, 5, 0)).toBeNull();
    expect(roster.firstRoster).toEqual(["b"]);
  });

  it("reports members that switch variants, once", () => {
    const roster = new Roster();
    roster.apply(room(1, [member("a"), member("b"), member("me")]));
    expect(roster.switched).toEqual([]);
    const second = [member("a", true, 1), member("b"), member("me", true, 1), member("c", true, 1)];
    roster.apply(room(2, second));
    expect(roster.switched).toEqual(["a"]);
    roster.apply(room(3, second));
    expect(roster.switched).toEqual([]);
    roster.apply(room(4, [member("a"), member("new")], "new"));
    expect(roster.switched).toEqual([]);
  });

  it("keeps a bounded number of epochs", () => {
    const roster = new Roster();
    for (let epoch = 1; epoch <= 1_000; epoch += 1) roster.apply(room(epoch, [member("me")]));
    expect(ids(roster, 1_000, 0)).toEqual(["me"]);
    expect(ids(roster, 900, 0)).toBeNull();
  });
});

describe("readiness", () => {
  const first = ["a", "b", "c", "d", "e"];
  const ready = (open: string[], failed: string[]) =>
    mayBeReady({
      firstRoster: first,
      others: [...first, "later"],
      isOpen: (id) => open.includes(id),
      hasFailed: (id) => failed.includes(id),
    });

  it("is immediate without members to link to", () => {
    const nobody = {
      firstRoster: [],
      others: ["later"],
      isOpen: () => false,
      hasFailed: () => false,
    };
    expect(mayBeReady(nobody)).toBe(true);
  });
  it("comes with 80 % of the links that did not fail", () => {
    expect(ready(["a", "b", "c"], [])).toBe(false);
    expect(ready(["a", "b", "c", "d"], [])).toBe(true);
    expect(ready(["a", "b"], ["c", "d", "e"])).toBe(true);
  });
  it("needs one link to any member if all of the first roster failed", () => {
    expect(ready([], first)).toBe(false);
    expect(ready(["later"], first)).toBe(true);
    expect(ready(["later"], ["a", "b", "c", "d"])).toBe(false);
  });
});
