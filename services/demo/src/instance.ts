/** Options of one instance of the demo service. */
export interface DemoOptions {
  /** Sent in every response (`X-Demo-Instance`): which instance answered. */
  readonly name: string;
  /** Version of `users`; both answer the same unless `usersDifference` is set. */
  readonly usersVersion: 1 | 2;
  /** Version 2 stores e-mail addresses in lower case: a difference for the mirror to find. */
  readonly usersDifference: boolean;
  /** Memory of one Argon2id hash, KiB. */
  readonly hashMemoryKib: number;
  /** Where jobs are reported whose request names no address; null: they are polled. */
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
