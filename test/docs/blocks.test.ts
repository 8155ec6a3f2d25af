import { expect } from "chai";
import { blocksOf, missingLine } from "./blocks.ts";

const one = "1.AAAAAAAAAAAAAAAAAAAAAA.hod3x7nbfv";
const two = "17.BBBBBBBBBBBBBBBBBBBB-_.hod3x7zzzz";

describe("shown output", () => {
  const missing = (shown: string, output: string, ids = new Map<string, string>()): string | null =>
    missingLine(shown, output, ids);

  it("is there when its lines stand in the output in order", () => {
    expect(missing("a\n…\nc", "a\r\nb\r\nc\r\n")).to.equal(null);
  });

  it("is missing when a line is, or stands elsewhere, or is longer", () => {
    expect(missing("a\nd", "a\nb")).to.equal("d");
    expect(missing("b\na", "a\nb")).to.equal("a");
    expect(missing("Length: 0", "Length: 01")).to.equal("Length: 0");
    expect(missing("HTTP/1.1 201 Created", "HTTP/1.1 202 Accepted")).to.equal("HTTP/1.1 201 Created");
  });

  it("takes the place of dates, times and fences, not of words", () => {
    expect(missing("Date: Sat, 21 Nov 2026 09:26:13 GMT", "Date: Sun, 22 Nov 2026 10:00:00 GMT")).to.equal(
      null,
    );
    expect(missing('"fence":"1795253173851307"', '"fence":"1795253173851308"')).to.equal(null);
    expect(missing('"amount":4200', '"amount":4201')).to.not.equal(null);
  });

  it("… in a line stands for anything between", () => {
    expect(missing('{"a":1,…,"z":2}', '{"a":1,"b":3,"z":2}')).to.equal(null);
    expect(missing('{"a":1,…,"z":2}', '{"a":1,"b":3,"z":4}')).to.not.equal(null);
  });

  it("the same id in the text must be the same id in the output, also over several blocks", () => {
    const ids = new Map<string, string>();
    expect(missing(`x: ${one}`, `x: ${two}`, ids)).to.equal(null);
    expect(ids.get(one)).to.equal(two);
    expect(missing(`y: ${one}`, `y: ${two}`, ids)).to.equal(null);
    expect(missing(`y: ${one}`, `y: ${one}`, ids)).to.equal(`y: ${one}`);
  });
});

describe("blocks", () => {
  it("have their info, their line, and the output that follows", () => {
    const blocks = blocksOf(
      "t\n```sh run\nls\n```\n\n```text\nout\n```\n```sh\nno\n```\nwords\n```text\nx\n```\n",
    );
    expect(blocks.map(({ info, line, shown }) => [info, line, shown])).to.deep.equal([
      ["sh run", 2, "out"],
      ["text", 6, null],
      ["sh", 9, null],
      ["text", 13, null],
    ]);
  });

  it("refuse a fence that nobody closes", () => {
    expect(() => blocksOf("```sh\nls")).to.throw("line 1");
  });
});
