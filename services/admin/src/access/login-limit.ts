/** Failed logins per address: five in a minute, then the address waits. */
const failures = 5;
const windowMs = 60_000;
const maxAddresses = 10_000;

export interface LoginLimit {
  /** ms that the address still waits; 0: it may try. */
  waitMs(address: string): number;
  failed(address: string): void;
}

export function createLoginLimit(monotonic: () => number): LoginLimit {
  /** When each address failed lately, oldest address first. */
  const seen = new Map<string, number[]>();
  const recent = (address: string): number[] =>
    (seen.get(address) ?? []).filter((at) => monotonic() - at < windowMs);
  return {
    waitMs(address) {
      const times = recent(address);
      return times.length < failures ? 0 : Math.ceil(times[0]! + windowMs - monotonic());
    },
    failed(address) {
      const times = [...recent(address), monotonic()].slice(-failures);
      seen.delete(address);
      seen.set(address, times);
      if (seen.size > maxAddresses) seen.delete(seen.keys().next().value!);
    },
  };
}
