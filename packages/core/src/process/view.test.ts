import { asEpochMs, asFence, asScope, parseProcessId } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { blankRecord, isOut, isTerminal, listOf, type ProcessRecord } from "./record.ts";
import { problemOf, retryableOf, viewOf } from "./view.ts";

const scope = asScope("abcdefghijklmnopqrstuv");
const recordOf = (over: Partial<ProcessRecord>): ProcessRecord => ({
  ...blankRecord,
  partition: 3,
  scope,
  epoch: asFence(36),
  service: "payments",
  operation: "POST /charges",
  ...over,
});
const id = `3.${scope}.10`;
const at = (seconds: number) => asEpochMs(seconds * 1000 + 0.4);

describe("a process as its client sees it", () => {
  it("tells its id, its names, its numbers and its links", () => {
    const view = viewOf(recordOf({ version: 7, attempt: 2, maxAttempts: 3 }), "https://gate.test");
    expect(view).to.deep.include({
      id,
      service: "payments",
      operation: "POST /charges",
      version: 7,
      attempt: 2,
      maxAttempts: 3,
      links: {
        self: `https://gate.test/_sticky/v1/processes/${id}`,
        result: `https://gate.test/_sticky/v1/processes/${id}/result`,
        cancel: `https://gate.test/_sticky/v1/processes/${id}/cancel`,
        rerun: `https://gate.test/_sticky/v1/processes/${id}/rerun`,
      },
    });
    expect(parseProcessId(view.id)).to.deep.equal({ partition: 3, scope, epoch: 36 });
  });

  it("tells each of its times as RFC 3339 in whole milliseconds, and null for what has not happened", () => {
    const times = {
      startedAt: "startTime",
      endedAt: "endTime",
      expireAt: "expireTime",
      nextAttemptAt: "nextAttemptTime",
      deadlineAt: "deadlineTime",
      heartbeatAt: "heartbeatTime",
    } as const;
    for (const [field, member] of Object.entries(times)) {
      const view = viewOf(recordOf({ createdAt: at(1), updatedAt: at(2), [field]: at(3) }), "");
      expect(view).to.include({
        createTime: "1970-01-01T00:00:01.000Z",
        updateTime: "1970-01-01T00:00:02.000Z",
        [member]: "1970-01-01T00:00:03.000Z",
      });
      for (const other of Object.values(times).filter((each) => each !== member))
        expect(view[other], other).to.equal(null);
    }
    expect(
      viewOf(recordOf({ startedAt: asEpochMs(0) }), "").startTime,
      "the beginning of time is a time",
    ).to.equal("1970-01-01T00:00:00.000Z");
  });

  it("names its neighbours by their ids in its own scope", () => {
    expect(viewOf(recordOf({}), "")).to.include({ rerunOf: null, supersededBy: null });
    expect(viewOf(recordOf({ rerunOf: asFence(35), supersededBy: asFence(37) }), "")).to.include({
      rerunOf: `3.${scope}.z`,
      supersededBy: `3.${scope}.11`,
    });
  });

  it("has progress once the service has said a number or a word", () => {
    const progress = (progressPercent: number | null, progressMessage: string | null) =>
      viewOf(recordOf({ progressPercent, progressMessage }), "").progress;
    expect(progress(null, null)).to.equal(null);
    expect(progress(0, null)).to.deep.equal({ percent: 0, message: null });
    expect(progress(null, "half")).to.deep.equal({ percent: null, message: "half" });
    expect(progress(50, "half")).to.deep.equal({ percent: 50, message: "half" });
  });

  it("has an outcome at its end and a last error before it, never both", () => {
    for (const status of ["pending", "in-progress", "completed", "failed", "cancelled"] as const) {
      const isDone = status !== "pending" && status !== "in-progress";
      const failed = viewOf(recordOf({ status, problem: "upstream-timeout", executed: "unknown" }), "");
      expect([failed.status, failed.done]).to.deep.equal([status, isDone]);
      expect([failed.outcome === null, failed.lastError === null], status).to.deep.equal([!isDone, isDone]);
      const plain = viewOf(recordOf({ status, executed: "yes", httpStatus: 201 }), "");
      expect(plain.outcome).to.deep.equal(isDone ? { executed: "yes", httpStatus: 201 } : null);
      expect(plain.lastError).to.equal(null);
      expect([
        isTerminal(status),
        listOf(recordOf({ status })),
        listOf(recordOf({ status, expired: true })),
      ]).to.deep.equal([isDone, `payments:${status}`, null]);
    }
  });

  it("ended by a problem tells it as a client reads it: which process, did it run, may it be sent again", () => {
    const failed = recordOf({
      status: "failed",
      problem: "upstream-unreachable",
      executed: "no",
      released: true,
      reason: "connection_refused",
    });
    expect(viewOf(failed, "").outcome).to.deep.equal({
      executed: "no",
      problem: {
        type: "/_sticky/problems/upstream-unreachable",
        title: problemOf(failed)!.message,
        status: 502,
        detail: "No connection to the service could be made; it has not seen the request.",
        instance: `/_sticky/v1/processes/${id}`,
        executed: "no",
        retryable: true,
        processId: id,
        service: "payments",
      },
    });
    expect(problemOf(failed)!.options.proxyStatus, "an error type of RFC 9209").to.equal(
      "connection_refused",
    );
    expect(problemOf({ ...failed, reason: "the service's word" })!.options).to.not.have.property(
      "proxyStatus",
    );
    expect(problemOf({ ...failed, reason: null })!.options).to.not.have.property("proxyStatus");
    expect(problemOf({ ...failed, executed: null })!.options).to.not.have.property("executed");
    expect(problemOf({ ...failed, problem: null })).to.equal(null);
    expect(viewOf(recordOf({ status: "failed" }), "").outcome, "nothing known").to.deep.equal({
      executed: "unknown",
      httpStatus: 200,
    });
  });

  it("may be sent again at its end where its identity is free, before it where nothing has run", () => {
    for (const released of [true, false])
      for (const executed of ["yes", "no", "unknown", null] as const) {
        expect(retryableOf(recordOf({ status: "failed", executed, released }))).to.deep.equal({
          retryable: released,
        });
        expect(retryableOf(recordOf({ status: "in-progress", executed, released }))).to.deep.equal(
          executed === "no" ? { retryable: true } : {},
        );
      }
  });

  it("is with the service while an attempt is out or is to be reported", () => {
    for (const [phase, out] of [
      ["forwarding", true],
      ["awaiting-callback", true],
      ["backing-off", false],
      [null, false],
    ] as const)
      expect(isOut(recordOf({ phase })), String(phase)).to.equal(out);
  });
});
