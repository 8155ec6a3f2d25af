/** A route's process policy. */
import { usualPollWords } from "@sticky-proxy/core/process";
import {
  bytes,
  field,
  flag,
  integer,
  list,
  memberPointer,
  millis,
  oneOf,
  pointer,
  text,
  url,
  word,
} from "../formats.ts";
import { failedWhen } from "./failed-when.ts";
import { either, exactlyOne, mapping } from "../shapes.ts";

export const defaults = {
  processBodyBytes: 1024 * 1024,
  plainBodyBytes: 100 * 1024 * 1024,
  resultTtlMs: 86_400_000,
  errorTtlMs: 60_000,
  waitMs: 60_000,
  callbackDeadlineMs: 3_600_000,
} as const;

const unknownWords = ["release", "fail", "retry", "probe"] as const;
const duplicateWords = ["join", "reject", "replace"] as const;

const pair = (about: string) =>
  mapping({
    response: pointer("Pointer into the service's answer.").required(),
    callback: pointer("Pointer into the callback.").required(),
  })
    .allow(null)
    .description(about)
    .default(null);

const callback = mapping({
  inject: mapping({
    query: text("Query parameter that gets the callback URL.", (name) =>
      /^[A-Za-z0-9_.~-]{1,64}$/.test(name) ? null : "must be a query parameter name",
    )
      .allow(null)
      .default(null),
    json: memberPointer(
      "JSON Pointer of the body member that gets the callback URL; a body that cannot hold it is refused.",
    )
      .allow(null)
      .default(null),
    header: field("Header field that gets the callback URL, besides Sticky-Callback-Url.")
      .allow(null)
      .default(null),
  })
    .description("Where a service expects the callback address.")
    .default(),
  accept: mapping({
    status: pointer("Where the outcome word stands.").required(),
    completed: list("Words that mean completed.", word("A word.", 128)).default(["completed"]),
    failed: list("Words that mean failed; any other word is a heartbeat.", word("A word.", 128)).default([
      "failed",
    ]),
    result: pointer("Where the result stands; null: the whole payload.").allow(null).default(null),
    error: pointer("Where the error stands.").allow(null).default(null),
    jobId: pair("The job id in the callback must equal the one in the service's answer."),
  })
    .allow(null)
    .description("How to read the outcome from the service's own payload; null: the gateway's form.")
    .default(null),
  correlate: pair("For a service with one fixed webhook address: where the job id stands."),
});

export const retries = mapping({
  attempts: integer("Dispatches in all, the first included.", 1, { min: 1, max: 100 }),
  minMs: millis("Least backoff.", 200),
  maxMs: millis("Longest backoff.", 10_000),
});

const ttl = (about: string) => millis(about, "dynamic", { min: 1 });

export const process = mapping({
  identity: oneOf("What makes two requests the same.", ["request", "key", "none"]).required(),
  key: oneOf("Identity `key`: what a request without Idempotency-Key means.", [
    "required",
    "optional",
    "ignored",
  ]).meta({ defaultText: "required" }),
  waitMs: millis("How long a client waits for the result; 0: 202 at once.", "dynamic", {
    min: 0,
    max: 86_400_000,
  }).meta({ defaultText: "0 for identity request, else 60000" }),
  onWaitEnd: oneOf("When `waitMs` is over first: 202, or 504 for clients that take any 2xx for success.", [
    "accepted",
    "timeout",
  ]).meta({ defaultText: "accepted for identity request (and none with completion callback), else timeout" }),
  completion: oneOf(
    "What ends an execution: the service's response, or its later callback.",
    ["response", "callback"],
    "response",
  ),
  onDuplicate: oneOf("A second identical request in flight.", duplicateWords, "join"),
  allowOnDuplicate: list(
    "What Sticky-On-Duplicate may ask for, besides onDuplicate.",
    oneOf("A word.", duplicateWords),
    { max: 3 },
  )
    .meta({ defaultText: "[join, reject]" })
    .default(["join", "reject"]),
  force: flag("Sticky-Force is allowed.", "dynamic").meta({
    defaultText: "true for identity request, else false",
  }),
  leaseMs: millis("How long a silent node keeps a process; renewed every third.", 30_000, {
    min: 500,
    max: 3_600_000,
  }),
  deadlineMs: millis("From the first dispatch to the end of the process; null: none.", "dynamic")
    .allow(null)
    .meta({ defaultText: "3600000 for completion callback, else null" }),
  heartbeatTimeoutMs: millis(
    "Awaiting a callback: the longest silence; null: only the deadline counts.",
    null,
  ).allow(null),
  resultTtlMs: either(
    mapping({
      "2xx": ttl("Results of 2xx."),
      "3xx": ttl("Results of 3xx."),
      "4xx": ttl("Results of 4xx that are kept (not `refusedStatuses`)."),
      "5xx": ttl("Results of 5xx that are kept."),
    }),
    ttl("One time for all."),
  )
    .description("How long a result is replayed; a mapping says it by the class of its status.")
    .meta({ defaultText: "86400000; for identity request {4xx: 60000, 5xx: 60000} besides" }),
  tombstoneMs: millis("How long an expired process answers 410.", 86_400_000, { min: 0 }),
  maxResultBytes: bytes("Larger results stream through and are not replayed.", 1024 * 1024, {
    max: 64 * 1024 * 1024,
  }),
  onUnknown: either(
    mapping({
      cut: oneOf("The connection was cut.", unknownWords),
      timeout: oneOf("The service did not answer in time.", unknownWords),
      lost: oneOf("The node that ran it is gone.", unknownWords),
      answered: oneOf("It answered 408, 502 or 504 after it got the whole request.", unknownWords),
    }),
    oneOf("One word for all four.", unknownWords),
  )
    .description("When nobody knows whether the service ran it.")
    .meta({
      defaultText:
        "{cut: release, timeout: release, lost: release, answered: fail}; for identity key {cut: release, timeout: fail, lost: fail, answered: fail}",
    }),
  restartCancelled: flag("After a cancel the same identity may start anew.", "dynamic").meta({
    defaultText: "false for identity key, else true",
  }),
  keepServerErrors: flag(
    "A 5xx of the service is kept and replayed; false: the identity is released.",
    "dynamic",
  ).meta({ defaultText: "true for identity key, else false" }),
  notExecutedStatuses: list(
    "Statuses that say the service did not execute (503 only with Retry-After).",
    integer("A status.", "dynamic", { min: 400, max: 599 }),
  ).default([425, 429, 503]),
  refusedStatuses: list(
    "Statuses that refuse a request before the work: passed on, the identity is free, never sent again by the gateway (unless notExecutedStatuses and retries say so).",
    integer("A status.", "dynamic", { min: 400, max: 599 }),
  ).default([401, 407, 409, 421, 423, 425, 431, 503]),
  failedWhen: failedWhen(
    "A JSON answer of 2xx that says so counts as a 500 of the service; null: the status decides.",
  ),
  keyFrom: exactlyOne({
    header: field("A header field: its value is the key."),
    json: memberPointer("A pointer to a string or a whole number of the JSON body."),
    form: word("A field of a form, urlencoded or multipart.", 128),
  })
    .allow(null)
    .description("Where the key stands; null: in Idempotency-Key (or X-Idempotency-Key).")
    .default(null),
  fingerprintHeaders: list("Request fields that enter the fingerprint.", field("A field name.")),
  fingerprintIgnore: mapping({
    members: list(
      "Pointers to members of a JSON body, or to fields of a form by their name.",
      memberPointer("A pointer."),
    ),
    query: list('Query parameters; "*" may end a name.', word("A name.", 128)),
  })
    .description("What does not make another request: timestamps, nonces, request ids.")
    .default(),
  storedHeaders: list(
    "Response fields kept in the result; empty: all end-to-end ones.",
    field("A field name."),
  ),
  callback: callback.description("How callbacks find their way and are read.").default(),
  pollLocation: either(
    mapping({
      minMs: millis("Least time between two polls.", 1000, { min: 10 }),
      maxMs: millis("Longest time between two polls.", 30_000, { min: 10 }),
      running: list(
        "Words of the member `status` that mean that the work goes on.",
        word("A word.", 128),
      ).default([...usualPollWords.running]),
      completed: list(
        "Words of it that mean success: the result is `result`, else `properties`, else the whole answer.",
        word("A word.", 128),
      ).default([...usualPollWords.completed]),
      failed: list("Words of it that mean failure; `error` says why.", word("A word.", 128)).default([
        ...usualPollWords.failed,
      ]),
    }),
    flag("Whether to poll.", "dynamic"),
  )
    .as(
      (written) =>
        typeof written === "object"
          ? written
          : written
            ? { minMs: 1000, maxMs: 30_000, ...usualPollWords }
            : null,
      (poll) => poll ?? false,
    )
    .description(
      "Poll Operation-Location, Azure-AsyncOperation or the Location of a 202; true: with the defaults. Words count in any case of letters.",
    )
    .meta({ defaultText: "false" })
    .default(null),
  cancelHook: url("URL told about a cancel; null: none.").allow(null).default(null),
  probe: mapping({
    path: text('Path on the service; "{id}" and "{key}" are replaced.', (value) =>
      /^\/[\x21-\x7e]*$/.test(value) ? null : "must be a path",
    ).required(),
    intervalMs: millis("Time between two probes.", 5000, { min: 100 }),
  })
    .allow(null)
    .description("Asks the service what became of an unknown execution.")
    .default(null),
  keepRequest: flag(
    "Keep the request, credentials included, after the process's end, so that it can be run again; until then, and as a dead letter, it is kept where it may be sent again anyway.",
    "dynamic",
  ).meta({ defaultText: "true where force, retries or onUnknown may send it again" }),
  retries: retries
    .description("The same as the route's retries; give one of the two.")
    .meta({ defaultText: "the route's" }),
});
