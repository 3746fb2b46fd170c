/** SHA-256 with WebCrypto, which exists only in secure contexts (https, localhost). */

/** Resolves to whether the bytes have this SHA-256 (base64). */
export type Verify = (bytes: Uint8Array<ArrayBuffer>, expected: string) => Promise<boolean>;

/** Returns a verifier that uses `subtle`. */
export function verifier(subtle: SubtleCrypto): Verify {
  return async (bytes, expected) => {
    const digest = new Uint8Array(await subtle.digest("SHA-256", bytes));
    return btoa(String.fromCharCode(...digest)) === expected;
  };
}
