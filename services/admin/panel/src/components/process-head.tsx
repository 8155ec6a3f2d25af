/** The headline of a process: what it is, its id, and what may be done with it. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { call } from "../api.ts";
import type { ProcessDetail } from "../answers.ts";
import { useMay } from "../session.ts";
import { ActionDialog, type Act } from "./dialog.tsx";
import { Icon } from "./icons.tsx";
import { Status } from "./parts.tsx";

export function ProcessHead({ process }: { readonly process: ProcessDetail }) {
  const [act, setAct] = useState<Act | null>(null);
  const [isCopied, setCopied] = useState(false);
  const client = useQueryClient();
  const { id } = process;
  const acts = useActs(process, () => void client.invalidateQueries());
  return (
    <div class="headline">
      <span class="badge">
        <Status status={process.status} phase={process.phase} />
      </span>
      <strong>{process.service}</strong>
      <span class="mono">{process.operation}</span>
      <span class="mono quiet whole">{id}</span>
      <button
        type="button"
        class="plain"
        aria-label="Copy the id"
        onClick={() =>
          void navigator.clipboard.writeText(id).then(
            () => setCopied(true),
            () => undefined,
          )
        }
      >
        <Icon name={isCopied ? "completed" : "copy"} />
      </button>
      <span class="actions">
        {acts.map((one) => (
          <button
            key={one.verb}
            type="button"
            class={one.verb === "Forget" ? "danger" : ""}
            onClick={() => setAct(one)}
          >
            {one.verb === "Run again" && <Icon name="again" />}
            {one.verb}…
          </button>
        ))}
      </span>
      {act !== null && <ActionDialog act={act} onClose={() => setAct(null)} />}
    </div>
  );
}

/** What the role allows and the state makes sense of. Each carries the version that was seen. */
function useActs(process: ProcessDetail, onDone: () => void): readonly Act[] {
  const [isOperator, isAdmin] = [useMay("operator"), useMay("admin")];
  const { id, version, executed } = process;
  const isOver = process.endTime !== null;
  const mayRepeat = executed !== "no";
  const post = (path: string, body: object) => (reason: string) =>
    call("POST", path, { body: { ...body, reason }, version });
  const at = `/processes/${encodeURIComponent(id)}`;
  const letter = `/dead-letters/${encodeURIComponent(id)}`;
  const cancel: Act = {
    verb: "Cancel",
    what: "The process ends as cancelled and its service is told.",
    command: `sticky-proxy cancel ${id} --yes`,
    run: post(`${at}:cancel`, {}),
    onDone,
  };
  const discard: Act = {
    verb: "Discard",
    what: "Nobody needs to look at it any more; it does not run again.",
    command: `sticky-proxy dlq discard ${id} --yes`,
    run: post(`${letter}:discard`, {}),
    onDone,
  };
  const runAgain: Act = {
    verb: "Run again",
    what: isOver
      ? "Its request is sent again as a new process, with a higher fence."
      : "The running process is cancelled, and its request is sent again as a new one.",
    mayRepeat,
    command: `sticky-proxy force ${id}${isOver ? "" : " --cancel-running"} --yes`,
    run: post(`${at}:rerun`, { cancelRunning: !isOver }),
    onDone,
  };
  const forget: Act = {
    verb: "Forget",
    what: "The process and its payloads are removed: the same request runs anew afterwards.",
    mayRepeat,
    command: `curl -X POST …/api/v1/processes/${id}:forget`,
    run: post(`${at}:forget`, {}),
    onDone,
  };
  return [
    ...(isOperator && !isOver ? [cancel] : []),
    ...(isOperator && process.deadLetter !== null ? [discard] : []),
    ...(isOperator && process.requestKept ? [runAgain] : []),
    ...(isAdmin && isOver ? [forget] : []),
  ];
}
