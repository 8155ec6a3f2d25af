/** Asks before it acts: what happens, why, and the same as a command line. It stays while the page behind it polls. */
import { useEffect, useRef, useState } from "react";
import { ApiError } from "../api.ts";

export interface Act {
  /** Verb and count: "Redrive 141". */
  readonly verb: string;
  /** What happens, in one sentence. */
  readonly what: string;
  /** The service may have run it: it may run a second time. */
  readonly mayRepeat?: boolean;
  /** More than 20: the number is typed. */
  readonly count?: number;
  /** The same on the command line. */
  readonly command: string;
  readonly run: (reason: string) => Promise<unknown>;
  readonly onDone: () => void;
}

const typedAbove = 20;
const lastReasons: string[] = [];

export function ActionDialog({ act, onClose }: { readonly act: Act; readonly onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [reason, setReason] = useState("");
  const [typed, setTyped] = useState("");
  const [state, setState] = useState<
    { readonly kind: "asking" | "running" } | { readonly kind: "failed"; readonly why: string }
  >({
    kind: "asking",
  });
  useEffect(() => {
    dialog.current?.showModal();
  }, []);

  const needsCount = (act.count ?? 0) > typedAbove;
  const isReady =
    reason.trim().length >= 3 &&
    (!needsCount || typed.trim() === String(act.count)) &&
    state.kind !== "running";

  async function run(): Promise<void> {
    setState({ kind: "running" });
    try {
      await act.run(reason.trim());
      lastReasons.unshift(reason.trim());
      lastReasons.splice(5);
      act.onDone();
      onClose();
    } catch (error) {
      const why =
        error instanceof ApiError
          ? `${error.problem.title}: ${error.message}`
          : "the admin service does not answer";
      setState({ kind: "failed", why });
    }
  }

  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="act-title">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (isReady) void run();
        }}
      >
        <h2 id="act-title">{act.verb}</h2>
        <p>{act.what}</p>
        {act.mayRepeat === true && <p class="warning">This may run a second time at the service.</p>}
        <label class="field">
          <span>Reason, for the audit</span>
          <input
            type="text"
            value={reason}
            maxLength={300}
            list="last-reasons"
            autoFocus
            onInput={(event) => setReason(event.currentTarget.value)}
          />
        </label>
        <datalist id="last-reasons">
          {[...new Set(lastReasons)].map((one) => (
            <option key={one} value={one} />
          ))}
        </datalist>
        {needsCount && (
          <label class="field">
            <span>Type {act.count} to confirm</span>
            <input
              type="text"
              inputMode="numeric"
              value={typed}
              onInput={(event) => setTyped(event.currentTarget.value)}
            />
          </label>
        )}
        <details>
          <summary>As a command line</summary>
          <pre class="mono">{act.command}</pre>
        </details>
        {state.kind === "failed" && (
          <p class="warning" role="alert">
            {state.why}
          </p>
        )}
        <div class="buttons">
          <button type="button" onClick={() => dialog.current?.close()}>
            Close
          </button>
          <button type="submit" class={act.mayRepeat === true ? "danger" : "primary"} disabled={!isReady}>
            {state.kind === "running" ? "…" : act.verb}
          </button>
        </div>
      </form>
    </dialog>
  );
}
