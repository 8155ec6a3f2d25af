import type { Route, Service } from "@sticky-proxy/core/registry";
import { Problem } from "@sticky-proxy/protocol";
import { expect } from "chai";
import type { ProxyContext, ProxyState } from "../state.ts";
import type { SubmissionOptions } from "../submit/submission-options.ts";
import { createBodyValidator } from "./body-validator.ts";
import { validateBody } from "./validate-body.ts";

const schema = { type: "object", required: ["account"], properties: { account: { type: "string" } } };
const route = { name: "POST /jobs", bodySchema: schema } as unknown as Route;
const json = [["Content-Type", "application/json; charset=utf-8"]] as const;

const validator = createBodyValidator({ limitMs: 10_000 });

async function validated(
  body: string | null,
  {
    headers = json,
    method = "POST",
    over = {},
  }: { headers?: ProxyState["head"]["headers"]; method?: string; over?: Partial<ProxyState> } = {},
): Promise<Problem | "passed"> {
  const state = {
    route,
    hasBody: body !== null,
    body: body === null ? null : Buffer.from(body),
    head: { method, path: "/jobs", query: null, headers },
    client: { holder: "address:192.0.2.1" },
    ...over,
  } as ProxyState;
  try {
    let answer: Problem | "passed" | null = null;
    await validateBody(() => [], validator)({ state } as ProxyContext, async () => void (answer = "passed"));
    return answer!;
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
}

describe("the body's validation", () => {
  it("lets through what matches, and every body of a route without a schema", async () => {
    expect(await validated('{"account":"a"}')).to.equal("passed");
    expect(
      await validated("anything", { headers: [], over: { route: { ...route, bodySchema: null } } }),
    ).to.equal("passed");
    expect(await validated("anything", { over: { route: null } })).to.equal("passed");
    expect(await validated(null, { method: "GET", headers: [] })).to.equal("passed");
  });

  it("answers 422 with every fault before anything is begun", async () => {
    const problem = await validated('{"account":5}');
    if (problem === "passed") throw new Error(problem);
    expect([problem.slug, problem.status, problem.executed]).to.deep.equal(["validation-failed", 422, "no"]);
    expect(problem.options.detail).to.equal("/account must be string.");
    expect(problem.options.extensions).to.deep.equal({
      errors: [{ pointer: "/account", message: "must be string" }],
    });
  });

  it("answers 400 for what is not JSON of one meaning", async () => {
    for (const body of ["", "{", '{"account":"a","account":"b"}', '{"__proto__":{}}', "\ufeff{}"]) {
      const problem = await validated(body);
      expect(problem === "passed" ? problem : problem.slug, body).to.equal("malformed-json");
    }
    const none = await validated(null);
    expect((none as Problem).slug).to.equal("malformed-json");
  });

  it("answers 415 for another media type, none, two, or a coded body", async () => {
    const others: ProxyState["head"]["headers"][] = [
      [],
      [["Content-Type", "text/plain"]],
      [...json, ...json],
      [...json, ["Content-Encoding", "gzip"]],
    ];
    for (const headers of others) {
      expect(((await validated('{"account":"a"}', { headers })) as Problem).slug).to.equal(
        "unsupported-media-type",
      );
    }
    const problem: ProxyState["head"]["headers"] = [["Content-Type", "application/vnd.job+json"]];
    expect(await validated('{"account":"a"}', { headers: problem })).to.equal("passed");
  });

  describe("where the service looks for the callback's address in it", () => {
    const inject = { query: null, header: null, json: ["hooks", "a/b"] };
    const options = { rules: { policy: { callback: { inject } } } } as unknown as SubmissionOptions;
    const plain = { ...route, bodySchema: null };
    const answerTo = async (body: string | null, over: Partial<ProxyState> = {}) => {
      const answer = await validated(body, { over: { route: plain, options, ...over } });
      return answer === "passed" ? answer : answer.slug;
    };

    it("lets an object through that can take it, by whatever media type", async () => {
      for (const body of ["{}", '{"hooks":{}}', '{"hooks":{"a/b":"theirs"}}', '{"n":12345678901234567890}'])
        expect(await answerTo(body), body).to.equal("passed");
      expect(await validated("{}", { headers: [], over: { route: plain, options } })).to.equal("passed");
    });

    it("refuses what cannot: nothing is sent without the address, and no value of the client's is overwritten", async () => {
      for (const [body, pointer] of [
        ["[1]", ""],
        ["null", ""],
        ['"text"', ""],
        ['{"hooks":"theirs"}', "/hooks"],
        ['{"hooks":[]}', "/hooks"],
      ] as const) {
        const problem = (await validated(body, { over: { route: plain, options } })) as Problem;
        expect([problem.slug, problem.executed], body).to.deep.equal(["validation-failed", "no"]);
        expect(problem.options.extensions).to.have.nested.property("errors[0].pointer", pointer);
      }
      for (const body of [null, "", "{", '{"a":1,"a":2}'])
        expect(await answerTo(body), String(body)).to.equal("malformed-json");
      const form = [["Content-Type", "application/x-www-form-urlencoded"]] as const;
      const problem = await validated("a=1", { headers: form, over: { route: plain, options } });
      expect((problem as Problem).slug).to.equal("unsupported-media-type");
    });

    it("asks for nothing of a request that makes no process", async () => {
      expect(await answerTo("a=1", { options: null })).to.equal("passed");
    });

    it("tells it together with what the schema refuses", async () => {
      const problem = (await validated('{"account":5,"hooks":1}', { over: { options } })) as Problem;
      expect(problem.options.extensions).to.deep.equal({
        errors: [
          { pointer: "/account", message: "must be string" },
          { pointer: "/hooks", message: "must be an object, to hold the callback's address" },
        ],
      });
    });
  });

  it("names the route whose schema is broken when the gateway starts", () => {
    const services = [{ routes: [{ ...route, bodySchema: { type: 7 } }] }] as unknown as Service[];
    expect(() => validateBody(() => services, validator)).to.throw(/bodySchema of route POST \/jobs/);
  });
});
