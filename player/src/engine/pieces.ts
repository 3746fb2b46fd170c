/** The pieces of one segment: which are here, which are missing, and their bytes. No I/O. */

import type { PieceRange } from "../protocol/plan";
import type { Descriptor } from "../protocol/messages";

export class SegmentPieces {
  readonly count: number;
  #bytes: Uint8Array<ArrayBuffer>;
  #have: Uint8Array;
  /** pieces whose hash is being computed: WebCrypto answers later */
  #claimed = new Set<number>();
  #held = 0;

  constructor(readonly descriptor: Descriptor) {
    this.count = Math.ceil(descriptor.size / descriptor.pieceSize);
    this.#bytes = new Uint8Array(descriptor.size);
    this.#have = new Uint8Array(this.count);
  }

  get complete(): boolean {
    return this.#held === this.count;
  }

  /** Bytes of piece `index`; 0 for an index outside the segment. */
  lengthOf(index: number): number {
    if (index < 0 || index >= this.count) return 0;
    const { pieceSize, size } = this.descriptor;
    return Math.min(pieceSize, size - index * pieceSize);
  }

  has(index: number): boolean {
    return this.#have[index] === 1;
  }

  /**
   * Reserve a piece for verification, so that two sources cannot both deliver it.
   *
   * @returns false if it is here already or being verified: the caller has a duplicate
   */
  claim(index: number): boolean {
    if (this.has(index) || this.#claimed.has(index)) return false;
    this.#claimed.add(index);
    return true;
  }

  /** Give up a claim: the bytes were wrong. */
  release(index: number): void {
    this.#claimed.delete(index);
  }

  /** Keep a verified piece that was claimed. */
  put(index: number, bytes: Uint8Array): void {
    if (!this.#claimed.delete(index) || bytes.byteLength !== this.lengthOf(index))
      throw new Error(`piece ${index} of ${this.descriptor.url} was not claimed or does not fit`);
    this.#bytes.set(bytes, index * this.descriptor.pieceSize);
    this.#have[index] = 1;
    this.#held += 1;
  }

  /** A view of a piece that is here. */
  piece(index: number): Uint8Array<ArrayBuffer> {
    const first = index * this.descriptor.pieceSize;
    return this.#bytes.subarray(first, first + this.lengthOf(index));
  }

  /** Bit n: piece n is here. A segment has 32 pieces at the most. */
  get bits(): number {
    return this.#have.reduce((bits, have, index) => (have ? (bits | (1 << index)) >>> 0 : bits), 0);
  }

  /** Indices of the pieces that are here. */
  held(): number[] {
    return Array.from({ length: this.count }, (_, index) => index).filter((i) => this.has(i));
  }

  /** Indices of the pieces that are not here, those being verified included. */
  missing(): number[] {
    return Array.from({ length: this.count }, (_, index) => index).filter((i) => !this.has(i));
  }

  /** A copy of the whole segment: hls.js may transfer the buffer away, and peers read ours. */
  copy(): ArrayBuffer {
    return this.#bytes.buffer.slice(0);
  }
}

/** Join sorted piece indices into contiguous ranges. */
export function rangesOf(indices: readonly number[]): PieceRange[] {
  const ranges: PieceRange[] = [];
  for (const index of indices) {
    const last = ranges.at(-1);
    if (last?.end === index) last.end += 1;
    else ranges.push({ first: index, end: index + 1 });
  }
  return ranges;
}
