/**
 * Sampling by order key (R16): a key is in or out as a whole, so a sampled key's writes are all there,
 * in order. The same key gives the same answer on every replica and after every restart.
 */

/** Where a key stands on [0, 1). `keyHash` is the digest that {@link orderKeys} makes. */
export function samplePoint(keyHash: string): number {
  const bytes = Buffer.from(keyHash, "base64url");
  return bytes.length < 6 ? 0 : bytes.readUIntBE(bytes.length - 6, 6) / 2 ** 48;
}

/** rate 0: never, 1: always. Raising the rate only adds keys, it never drops one. */
export function isSampled(keyHash: string, rate: number): boolean {
  return samplePoint(keyHash) < rate;
}
