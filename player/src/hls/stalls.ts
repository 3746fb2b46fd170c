/** Counts the times that the picture stopped though it should have gone on. */

/**
 * Calls `stalled` once whenever a running picture breaks off. Start-up, a pause and a seek are no
 * stalls, nor is the wait that follows them.
 *
 * @param expected whether there should be a picture now
 */
export function watchStalls(
  video: EventTarget,
  expected: () => boolean,
  stalled: () => void,
): void {
  let running = false;
  const stop = (): void => {
    running = false;
  };
  const breakOff = (): void => {
    if (running && expected()) stalled();
    stop();
  };
  video.addEventListener("playing", () => {
    running = true;
  });
  for (const type of ["pause", "seeking", "ended"]) video.addEventListener(type, stop);
  // emptied: the player was loaded anew under the viewer's eyes
  for (const type of ["waiting", "emptied"]) video.addEventListener(type, breakOff);
}
