/** What is there to be played. Pure. */

/** Returns the seconds of video ahead of the playhead; 0 when there is nothing to play. */
export function aheadS({
  buffered,
  currentTime,
}: Pick<HTMLMediaElement, "buffered" | "currentTime">): number {
  for (let i = 0; i < buffered.length; i += 1)
    if (buffered.start(i) <= currentTime && currentTime < buffered.end(i))
      return buffered.end(i) - currentTime;
  return 0;
}
