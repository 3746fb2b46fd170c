/** Messages between an embedded player and the page around it (postMessage). Pure. */

const COMMANDS = ["play", "pause", "mute", "unmute", "live", "stats", "subscribe"] as const;

export type Command = (typeof COMMANDS)[number];

/** Parses a message; returns null if it is not for this player. */
export function parseCommand(data: unknown): { command: Command; id: unknown } | null {
  if (typeof data !== "object" || data === null) return null;
  const { shoal, id } = data as Record<string, unknown>;
  const command = COMMANDS.find((name) => name === shoal);
  return command ? { command, id } : null;
}

type PlayingState = "connecting" | "playing" | "paused" | "offline";

/** Sent to subscribers at each change. */
export interface StateMessage {
  shoal: "state";
  state: PlayingState;
  muted: boolean;
}

/** Returns the state message for a player. */
export function playingStateOf(
  video: Pick<HTMLVideoElement, "paused" | "muted" | "readyState">,
  onAir: "connecting" | "on air" | "offline",
): StateMessage {
  const state = onAir === "on air" ? (video.paused ? "paused" : "playing") : onAir;
  return { shoal: "state", state, muted: video.muted };
}
