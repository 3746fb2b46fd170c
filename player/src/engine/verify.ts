/** SHA-256 by WebCrypto, which only secure contexts have (https, localhost). */

/** Says whether these bytes have this SHA-256 (base64). */
export type Verify = (bytes: Uint8Array<ArrayBuffer>, expected: string) => Promise<boolean>;

/** Returns a verifier that hashes with `subtle`. */
export function verifier(subtle: SubtleCrypto): Verify {
  return async (bytes, expected) => {
    const digest = new Uint8Array(await subtle.digest("SHA-256", bytes));
    return btoa(String.fromCharCode(...digest)) === expected;
  };
}
