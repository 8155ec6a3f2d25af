/** What a run leaves for the checker. Times are monotonic ms of the test's process, which drives and serves alike. */

/** One execution as the service saw it. */
export interface Execution {
  readonly number: number;
  readonly key: string;
  readonly processId: string;
  readonly fence: number;
  /** The client's operation that caused it. */
  readonly operation: string;
  readonly startedAt: number;
  /** null: still running. */
  endedAt: number | null;
}

/** One operation as its client saw it. */
export interface Operation {
  readonly id: string;
  readonly kind: "call" | "force" | "result" | "cancel";
  readonly key: string;
  readonly startedAt: number;
  readonly endedAt: number;
  /** null: no answer (the replica died, or took too long). */
  readonly answer: {
    readonly status: number;
    readonly processId: string;
    readonly body: string;
    /** From a problem; null: the service's own answer. */
    readonly executed: string | null;
  } | null;
}

/** One report of the service about a job, as the service saw it. */
export interface Report {
  readonly processId: string;
  readonly body: string;
  /** The token was not the job's. */
  readonly forged: boolean;
  /** null: no answer, or told to try again. */
  readonly answer: "accepted" | "duplicate" | "stale" | "unauthorized" | null;
}

/** One process as the store holds it after the quiet. */
export interface StoredProcess {
  readonly id: string;
  readonly status: string;
  readonly owner: string | null;
  readonly result: string | null;
  /** Where it stands, for the finding's text. */
  readonly at?: string;
}

export interface History {
  readonly operations: readonly Operation[];
  readonly executions: readonly Execution[];
  readonly reports: readonly Report[];
  readonly stored: readonly StoredProcess[];
  /** Records, alarms, lists and bodies that do not agree one to one, in words. */
  readonly disagreements: readonly string[];
}
