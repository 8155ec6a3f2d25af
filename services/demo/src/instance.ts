/** One running copy of the demo service: its switches, and what each of its parts needs from the others. */
export interface DemoOptions {
  /** Named in every response (`X-Demo-Instance`), so that one can see which instance answered. */
  readonly name: string;
  /** `users` as the old or the new implementation; they answer alike unless `usersDifference` is on. */
  readonly usersVersion: 1 | 2;
  /** Version 2 then stores e-mail addresses in lower case: the known difference that comparing should find. */
  readonly usersDifference: boolean;
  /** Argon2id cost. */
  readonly hashMemoryKib: number;
  /** Where finished jobs are reported when the request names no address; null: they are polled. */
  readonly webhook: {
    readonly url: string;
    readonly token: string | null;
    readonly secret: string | null;
  } | null;
}

/** OWASP's Argon2id setting: 19 MiB, two passes. */
export const defaultOptions: DemoOptions = {
  name: "demo",
  usersVersion: 1,
  usersDifference: false,
  hashMemoryKib: 19_456,
  webhook: null,
};
