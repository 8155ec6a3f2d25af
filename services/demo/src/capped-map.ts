/** A Map that deletes its oldest entry beyond `limit`, so that the memory of the demo is bounded. */
export class CappedMap<K, V> extends Map<K, V> {
  readonly limit: number;

  constructor(limit = 10_000) {
    super();
    this.limit = limit;
  }

  override set(key: K, value: V): this {
    super.set(key, value);
    if (this.size > this.limit) {
      const oldest = this.keys().next();
      if (oldest.done !== true) this.delete(oldest.value);
    }
    return this;
  }
}
