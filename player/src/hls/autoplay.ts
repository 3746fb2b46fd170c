/** A browser may refuse to play before the viewer did something: then the play button waits. */
export function play(video: HTMLVideoElement): void {
  video.play().catch(() => undefined);
}
