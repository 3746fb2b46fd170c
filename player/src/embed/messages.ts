/** What the page around an embedded player may say to it, and hears from it (postMessage). Pure. */

export const COMMANDS = ["play", "pause", "mute", "unmute", "live", "stats", "subscribe"] as const;

export type Command = (typeof COMMANDS)[number];

/** Read a message; null if it is none of ours. */
export function parseCommand(data: unknown): { command: Command; id: unknown } | null {
  if (typeof data !== "object" || data === null) return null;
  const { shoal, id } = data as Record<string, unknown>;
  const command = COMMANDS.find((name) => name === shoal);
  return command ? { command, id } : null;
}

export type PlayingState = "connecting" | "playing" | "paused" | "offline";

/** What a subscriber is told whenever it changes. */
export interface StateMessage {
  shoal: "state";
  state: PlayingState;
  muted: boolean;
}

/** Returns the state in the words of the messages. */
export function playingStateOf(
  video: Pick<HTMLVideoElement, "paused" | "muted" | "readyState">,
  onAir: "connecting" | "on air" | "offline",
): StateMessage {
  const state = onAir === "on air" ? (video.paused ? "paused" : "playing") : onAir;
  return { shoal: "state", state, muted: video.muted };
}
