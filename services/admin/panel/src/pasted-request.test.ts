/** What the panel's find reads out of a request that somebody pastes. */
import { expect } from "chai";
import { readPastedRequest } from "./pasted-request.ts";

const read = (text: string): string | null => {
  const request = readPastedRequest(text);
  return request === null
    ? null
    : [request.method, request.url, request.host ?? "-", request.idempotencyKey ?? "-"].join(" ");
};

describe("a pasted request", () => {
  for (const [name, text, expected] of [
    ["curl", "curl -X PUT http://a.test/x -H 'Idempotency-Key: k1'", "PUT http://a.test/x a.test k1"],
    ["joined options", "curl -sSXPOST -H'Idempotency-Key: k1' a.test/x", "POST http://a.test/x a.test k1"],
    [
      "options with =",
      'curl --request=PUT "a.test" --header="X-Idempotency-Key: z"',
      "PUT http://a.test a.test z",
    ],
    [
      "values that are no URL",
      "curl -u me:pw -o out -m 5 --user-agent x a.test",
      "GET http://a.test a.test -",
    ],
    [
      "a browser's copy over several lines",
      "curl 'https://a.test:8443/x?q=1' \\\n  -H $'idempotency-key: it\\'s' \\\n  --data-raw '{}' --compressed",
      "POST https://a.test:8443/x?q=1 a.test:8443 it's",
    ],
    ["a quoted key", `curl -d @f -iH 'Idempotency-Key: "q"' --url a.test`, "POST http://a.test a.test q"],
    [
      "a Host of its own",
      "$ curl -H 'Host: b.test' localhost:8080/p",
      "GET http://localhost:8080/p b.test -",
    ],
    ["HTTP text", "POST /x HTTP/1.1\r\nHost: h:81\r\nIdempotency-Key: k\r\n\r\n{}", "POST /x h:81 k"],
    ["HTTP text, key in the body alone", "GET /x HTTP/2\nhost: h\n\nIdempotency-Key: no", "GET /x h -"],
  ] as const)
    it(`${name}: ${expected}`, () => expect(read(text)).to.equal(expected));

  it("is none without a URL or a request line", () => {
    for (const text of [
      "",
      "order-2",
      "curl",
      "curl -X",
      "curling is fun",
      "POST /x",
      "POST x\r\nHost: h",
      "/shop?a=1",
    ])
      expect(read(text), text).to.equal(null);
  });

  it("of 100,000 hostile characters is read at once", () => {
    for (const part of ["\\", "'", '"', "$'", " -H", 'a"\\'])
      expect(() => read(`curl ${part.repeat(100_000 / part.length)}`)).not.to.throw();
  });
});
