import { expect } from "chai";
import fc from "fast-check";
import { readMultipart } from "./multipart.ts";

const read = (text: string, boundary = "b") =>
  readMultipart(Buffer.from(text, "latin1"), boundary)?.map(({ headers, name, body }) => [
    headers,
    name,
    Buffer.from(body).toString("latin1"),
  ]) ?? null;

const disposition = (value: string) => `Content-Disposition: ${value}\r\n`;

describe("a multipart body", () => {
  it("is its parts, with their fields by name and their bytes as they are", () => {
    const text = `--b\r\nX-B: 2\r\ncontent-type:  image/png \r\n${disposition('form-data; name="a"; filename="f"')}\r\n\x00\r\n--\r\n--b\r\n${disposition("form-data; name=c")}\r\n\r\n--b--\r\n`;
    expect(read(text)).to.deep.equal([
      [
        [
          ["content-disposition", 'form-data; name="a"; filename="f"'],
          ["content-type", "image/png"],
          ["x-b", "2"],
        ],
        "a",
        "\x00\r\n--",
      ],
      [[["content-disposition", "form-data; name=c"]], "c", ""],
    ]);
  });

  it("may have a preamble, an epilogue, padding after the boundary, and parts without fields", () => {
    expect(read("before\r\n--b \t\r\n\r\nbody\r\n--b--\r\nafter --b--")).to.deep.equal([[[], null, "body"]]);
  });

  it("holds what only looks like its boundary", () => {
    const text = "--b\r\n\r\nx--b\r\n--bc\r\n\r\n--b--";
    expect(read(text)).to.deep.equal([[[], null, "x--b\r\n--bc\r\n"]]);
  });

  for (const [what, text] of [
    ["no closing delimiter", "--b\r\n\r\nbody\r\n--b\r\n"],
    ["no part", "--b--\r\n"],
    ["another boundary", "--c\r\n\r\nbody\r\n--c--"],
    ["a field without a colon", "--b\r\nX\r\n\r\nbody\r\n--b--"],
    ["fields without an end", "--b\r\nX: 1\r\nbody\r\n--b--"],
    ["text after the boundary", "--b x\r\n\r\nbody\r\n--b--"],
  ] as const)
    it(`is none with ${what}`, () => {
      expect(read(text)).to.equal(null);
    });

  it("has the same parts under every boundary that does not stand in it", () => {
    const contents = fc.array(fc.stringMatching(/^[ -~\r\n]{0,8}$/), { minLength: 1, maxLength: 3 });
    const form = (boundary: string, bodies: readonly string[]): string =>
      `${bodies.map((body) => `--${boundary}\r\n\r\n${body}\r\n`).join("")}--${boundary}--\r\n`;
    fc.assert(
      fc.property(contents, (bodies) => {
        const [one, two] = ["~~one~~", "~~another~~"];
        expect(read(form(one, bodies), one)).to.deep.equal(read(form(two, bodies), two));
        expect(read(form(one, bodies), one)?.map(([, , body]) => body)).to.deep.equal(bodies);
      }),
    );
  });
});
