import { expect } from "chai";
import { entityTags, isSameTag } from "./entity-tags.ts";

describe("entity tags", () => {
  it("of a list are its members, with commas and backslashes inside a tag as they are", () => {
    expect(entityTags('"a", W/"b,c" ,"d\\\\", *')).to.deep.equal(['"a"', 'W/"b,c"', '"d\\\\"', "*"]);
    expect(entityTags("")).to.deep.equal([]);
  });

  it("are the same by weak comparison whatever their weakness, and unlike where a letter is", () => {
    expect(isSameTag('W/"a"', '"a"')).to.equal(true);
    expect(isSameTag('"a"', '"A"')).to.equal(false);
  });
});
