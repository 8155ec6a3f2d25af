/** A map that evicts the least recently used entries above `maxBytes`. */
export class LruBytes<T> {
  readonly #maxBytes: number;
  readonly #weigh: (value: T) => number;
  readonly #values = new Map<string, T>();
  #bytes = 0;

  constructor(maxBytes: number, weigh: (value: T) => number) {
    this.#maxBytes = maxBytes;
    this.#weigh = weigh;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): T | undefined {
    const value = this.#values.get(key);
    if (value === undefined) return undefined;
    this.#values.delete(key);
    this.#values.set(key, value);
    return value;
  }

  set(key: string, value: T): void {
    this.delete(key);
    const weight = this.#weigh(value) + key.length;
    if (weight > this.#maxBytes) return;
    this.#values.set(key, value);
    this.#bytes += weight;
    for (const oldest of this.#values.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    const value = this.#values.get(key);
    if (value === undefined) return;
    this.#values.delete(key);
    this.#bytes -= this.#weigh(value) + key.length;
  }
}
