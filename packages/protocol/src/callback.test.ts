import { expect } from "chai";
import {
  parseCompletion,
  parseFailure,
  parseHeartbeat,
  reserved,
  resultFields,
  resultMediaType,
  type CallbackRequest,
  type FieldLine,
} from "./callback.ts";
import { connectionFields } from "./http/connection-fields.ts";
import { Problem } from "./problems.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (body: Uint8Array): string => new TextDecoder().decode(body);

function request(type: string | null, body: string | Uint8Array, ...headers: FieldLine[]): CallbackRequest {
  return {
    headers: type === null ? headers : [["Content-Type", type], ...headers],
    body: typeof body === "string" ? bytes(body) : body,
  };
}

function slugOf(read: () => unknown): string {
  try {
    return JSON.stringify(read());
  } catch (error) {
    if (error instanceof Problem) return error.slug;
    throw error;
  }
}

describe("parseCompletion", () => {
  it("takes any content type as the result itself, bytes untouched", () => {
    const body = Uint8Array.of(0xff, 0x00, 0xfe);
    const result = parseCompletion(
      request(
        "image/png",
        body,
        ["Sticky-Result-Status", "201"],
        ["Content-Language", "de"],
        ["X-Trace", "1"],
      ),
    );
    expect(result).to.deep.equal({
      status: 201,
      headers: [
        ["Content-Type", "image/png"],
        ["Content-Language", "de"],
      ],
      body,
    });
    expect(parseCompletion(request("application/json", '{"a":1,"a":2}')).status).to.equal(200);
  });

  it("takes an empty result without a type, but no bytes without one", () => {
    expect(parseCompletion(request(null, "", ["sticky-result-status", "204"])).status).to.equal(204);
    expect(slugOf(() => parseCompletion(request(null, "x")))).to.equal("unsupported-media-type");
    expect(slugOf(() => parseCompletion(request("nonsense", "x")))).to.equal("unsupported-media-type");
  });

  it("takes status, headers and body from the result media type", () => {
    const full = parseCompletion(
      request(
        `${resultMediaType}; charset=utf-8`,
        '{"status":201,"headers":{"Location":"/r/1","set-cookie":["a=1","b=2"]},"body":{"id":"é"}}',
      ),
    );
    expect(full.status).to.equal(201);
    expect(full.headers).to.deep.equal([
      ["Location", "/r/1"],
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
      ["content-type", "application/json"],
    ]);
    expect(text(full.body)).to.equal('{"id":"é"}');
    const plain = parseCompletion(
      request(resultMediaType, '{"headers":{"Content-Type":"text/csv"},"body":"a,b"}'),
    );
    expect(plain.headers).to.deep.equal([["Content-Type", "text/csv"]]);
    expect(text(plain.body)).to.equal("a,b");
    expect(parseCompletion(request(resultMediaType, "{}"))).to.deep.equal({
      status: 200,
      headers: [],
      body: new Uint8Array(0),
    });
    expect(text(parseCompletion(request(resultMediaType, '{"body":null}')).body)).to.equal("null");
  });

  it("refuses a result that could not be replayed as a response", () => {
    for (const [body, slug] of [
      ['{"status":99}', "validation-failed"],
      ['{"status":101}', "validation-failed"],
      ['{"status":200.5}', "validation-failed"],
      ['{"status":"200"}', "validation-failed"],
      ['{"headers":[]}', "validation-failed"],
      ['{"headers":{"a b":"1"}}', "validation-failed"],
      [String.raw`{"headers":{"a":"1\r\nSet-Cookie: x"}}`, "validation-failed"],
      ['{"headers":{"a":"\u20ac"}}', "validation-failed"],
      ['{"headers":{"a":1}}', "validation-failed"],
      ['{"headers":{"a":[["x"]]}}', "validation-failed"],
      ['{"headers":{"Transfer-Encoding":"chunked"}}', "validation-failed"],
      ['{"headers":{"content-length":"5"}}', "validation-failed"],
      ['{"headers":{"Sticky-Source":"service"}}', "validation-failed"],
      [`{"headers":{"a":[${Array(129).fill('"x"').join()}]}}`, "validation-failed"],
      ['{"state":"done"}', "validation-failed"],
      ['{"status":204,"body":"x"}', "malformed-request"],
      ["[]", "malformed-request"],
      ['{"status":200', "malformed-json"],
      ['{"__proto__":{"status":201}}', "validation-failed"],
      ['{"status":201,"status":202}', "malformed-json"],
    ] as const) {
      expect(
        slugOf(() => parseCompletion(request(resultMediaType, body))),
        body,
      ).to.equal(slug);
    }
    for (const odd of [
      '"cut \\ud83c"',
      '{"a":1,"a":2}',
      '{"__proto__":1}',
      "[1e999]",
      `${"[".repeat(99)}${"]".repeat(99)}`,
    ]) {
      const { body } = parseCompletion(request(resultMediaType, `\ufeff{"status":201,"body":[${odd}]}`));
      expect(Buffer.from(body).toString(), odd).to.equal(`[${odd}]`);
      const failure = parseFailure(
        request("application/json", `\ufeff{"retryable":true,"log":${odd},"log":1}`),
      );
      expect(failure.retryable, odd).to.equal(true);
    }
    const both = request(resultMediaType, "{}", ["Sticky-Result-Status", "201"]);
    expect(slugOf(() => parseCompletion(both))).to.equal("malformed-request");
    const gzip = request(resultMediaType, "{}", ["Content-Encoding", "gzip"]);
    expect(slugOf(() => parseCompletion(gzip))).to.equal("unsupported-media-type");
    expect(slugOf(() => parseCompletion(request(`${resultMediaType};charset=latin1`, "{}")))).to.equal(
      "unsupported-media-type",
    );
    expect(slugOf(() => parseCompletion(request("text/plain", "x", ["content-type", "text/html"])))).to.equal(
      "malformed-request",
    );
  });

  it("names the member that is wrong", () => {
    try {
      parseCompletion(request(resultMediaType, '{"headers":{"a/b~":"1"}}'));
      expect.fail("nothing was thrown");
    } catch (error) {
      expect(error).to.be.instanceOf(Problem);
      expect((error as Problem).options.extensions).to.deep.equal({
        errors: [{ pointer: "/headers/a~1b~0", message: "is not a field name" }],
      });
    }
  });
});

describe("parseFailure", () => {
  it("is unknown and final unless the service says otherwise", () => {
    const silent = {
      retryable: false,
      executed: "unknown",
      title: null,
      detail: null,
      type: null,
      status: null,
    };
    expect(parseFailure(request(null, ""))).to.deep.equal(silent);
    expect(parseFailure(request("application/problem+json", "{}"))).to.deep.equal(silent);
  });

  it("takes a problem object with retryable and executed, and lets extensions pass", () => {
    const body =
      '{"type":"https://example.org/p","title":"No paper","detail":"tray 2","status":503,"retryable":true,"executed":"no","tray":2}';
    expect(parseFailure(request("application/problem+json", body))).to.deep.equal({
      retryable: true,
      executed: "no",
      title: "No paper",
      detail: "tray 2",
      type: "https://example.org/p",
      status: 503,
    });
  });

  it("refuses other types and wrong members", () => {
    expect(slugOf(() => parseFailure(request("text/plain", "broken")))).to.equal("unsupported-media-type");
    expect(slugOf(() => parseFailure(request(null, "{}")))).to.equal("unsupported-media-type");
    for (const body of ['{"executed":"maybe"}', '{"retryable":"yes"}', '{"title":1}', '{"status":0}']) {
      expect(
        slugOf(() => parseFailure(request("application/json", body))),
        body,
      ).to.equal("validation-failed");
    }
    expect(slugOf(() => parseFailure(request("application/json", '"no"')))).to.equal("malformed-request");
    expect(slugOf(() => parseFailure(request("application/json", "{")))).to.equal("malformed-json");
  });
});

describe("parseHeartbeat", () => {
  it("takes progress and an extension, each optional", () => {
    expect(parseHeartbeat(request(null, ""))).to.deep.equal({ progress: null, extendMs: null });
    const body = '{"progress":{"percent":40,"message":"rendering"},"extendMs":30000}';
    expect(parseHeartbeat(request("application/json", body))).to.deep.equal({
      progress: { percent: 40, message: "rendering" },
      extendMs: 30_000,
    });
    expect(parseHeartbeat(request("application/json", '{"progress":{}}')).progress).to.deep.equal({
      percent: null,
      message: null,
    });
  });

  it("refuses what cannot be shown or waited for", () => {
    for (const body of [
      '{"progress":50}',
      '{"progress":[]}',
      '{"progress":{"percent":101}}',
      '{"progress":{"percent":-1}}',
      '{"progress":{"percent":"50"}}',
      `{"progress":{"message":"${"m".repeat(1025)}"}}`,
      '{"progress":{"colour":"red"}}',
      '{"extendMs":0}',
      '{"extendMs":1e12}',
      '{"extend":1}',
    ]) {
      expect(
        slugOf(() => parseHeartbeat(request("application/json", body))),
        body,
      ).to.equal("validation-failed");
    }
    expect(slugOf(() => parseHeartbeat(request("text/plain", "{}")))).to.equal("unsupported-media-type");
  });

  it("keeps the numbers of a result's body as they were written", () => {
    const written = '{"id":9007199254740993,"amount":1.10,"big":12345678901234567890,"exp":1e2}';
    const { body } = parseCompletion({
      headers: [["Content-Type", resultMediaType]],
      body: Buffer.from(`{"status":201,"body": ${written} }`),
    });
    expect(Buffer.from(body).toString()).to.equal(written);
  });
});

describe("a list of the callback API", () => {
  const json = (object: object): CallbackRequest => request(resultMediaType, JSON.stringify(object));

  it("a result sets neither what is the gateway's nor what belongs to one connection", () => {
    const ours = "content-length via date idempotent-replayed idempotency-expires proxy-status".split(" ");
    expect([...reserved].toSorted()).to.deep.equal(ours.toSorted());
    for (const name of [...ours, ...connectionFields, "sticky-anything"])
      for (const spelling of [name, name.toUpperCase()])
        expect(
          slugOf(() => parseCompletion(json({ headers: { "x-ok": "1", [spelling]: "1" } }))),
          spelling,
        ).to.equal("validation-failed");
    expect(parseCompletion(json({ headers: { "x-ok": "1", Location: "/x" } })).headers).to.deep.equal([
      ["x-ok", "1"],
      ["Location", "/x"],
    ]);
  });

  it("of the callback's own fields the result gets those that describe its content, and no other", () => {
    const kept = "content-type content-encoding content-language content-disposition".split(" ");
    expect([...resultFields].toSorted()).to.deep.equal(kept.toSorted());
    const headers = [...kept, "host", "content-length", "authorization", "x-mine"].map(
      (name): [string, string] => [name.toUpperCase(), name === "content-type" ? "text/plain" : "1"],
    );
    const parsed = parseCompletion({ headers, body: Buffer.from("x") });
    expect(parsed.headers).to.deep.equal(headers.slice(0, kept.length));
  });
});
