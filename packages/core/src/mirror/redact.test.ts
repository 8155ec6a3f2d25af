import { expect } from "chai";
import fc from "fast-check";
import { parseJson } from "./json-walk.ts";
import { cut, maxShownBytes, redactor, redactText } from "./redact.ts";

const show = redactor("k");

function shown(path: string[], json: string): string {
  const parsed = parseJson(Buffer.from(json));
  if (!parsed.ok) throw new Error(parsed.reason);
  return show(path, parsed.value);
}

describe("redactor", () => {
  it("hides values under secret names, nested ones too", () => {
    expect(shown(["user", "accessToken"], '"abc"')).to.match(/^\[redacted:/);
    expect(shown(["user"], '{"name":"Ann","password":"hunter2","x":{"api_key":"zzz"}}'))
      .to.contain("Ann")
      .and.not.match(/hunter2|zzz/);
  });

  it("hides what looks like a secret under any name", () => {
    for (const secret of [
      "$argon2id$v=19$m=1,t=1,p=1$abcdefgh$abcdefgh",
      "Bearer abcdef",
      "eyJhbGciOi.eyJzdWIiOi.sig",
    ]) {
      expect(shown(["note"], JSON.stringify(secret)))
        .to.match(/redacted/)
        .and.not.contain(secret);
    }
  });

  it("hides what a text itself calls a secret, and shows the rest of it", () => {
    const texts = [
      [
        "https://h.example/cb?state=1&access_token=hush&x=1",
        /state=1&access_token=\[redacted:[0-9a-f]{8}\]&x=1/,
      ],
      ["/done?token=hush", /^"\/done\?token=\[redacted/],
      [
        "sent with Authorization: Bearer hush-1.2 twice",
        /Authorization: Bearer \[redacted:[0-9a-f]{8}\] twice/,
      ],
      ["authorization=Basic aHVzaDpodXNo", /authorization=Basic \[redacted/],
      ["curl -H 'Bearer hush'", /Bearer \[redacted/],
      ["the basic plan: cheap", /^"the basic plan: cheap"$/],
    ] as const;
    for (const [text, form] of texts) {
      expect(shown(["note"], JSON.stringify(text)))
        .to.match(form)
        .and.not.match(/hush|aHVzaD/);
      expect(shown(["list"], JSON.stringify([{ note: text }]))).to.not.match(/hush|aHVzaD/);
    }
  });

  it("shows equal secrets as equal and depends on the key", () => {
    expect(shown(["pin"], "1234"))
      .to.equal(shown(["pin"], "1234"))
      .and.not.equal(shown(["pin"], "1235"));
    expect(redactor("other")(["pin"], "1234")).not.to.equal(show(["pin"], "1234"));
  });

  it("never shows more than 256 bytes, whatever the value", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        expect(Buffer.byteLength(shown(["a"], JSON.stringify(value)))).to.be.at.most(maxShownBytes);
      }),
    );
    expect(Buffer.byteLength(shown(["a"], JSON.stringify("é".repeat(1000))))).to.be.at.most(maxShownBytes);
    expect(Buffer.byteLength(shown(["a"], JSON.stringify({ ["k".repeat(100_000)]: 1 })))).to.be.at.most(
      maxShownBytes,
    );
  });

  it("cuts at a whole character", () => {
    expect(cut("é".repeat(200))).to.equal(`${"é".repeat(126)}…`);
    expect(cut("short")).to.equal("short");
  });
});

describe("redactText", () => {
  it("hides the values of pairs with a secret name and keeps the rest", () => {
    const text = redactText("k", 'user=ann&password=hunter2 "token": "abc" x=1');
    expect(text)
      .to.contain("user=ann")
      .and.contain("x=1")
      .and.not.match(/hunter2|abc/);
  });
});
