/** What in the body of a 2xx says that it is no success: for processes and for the cache. */
import { pointer, scalar } from "../formats.ts";
import { mapping, oneOrMore } from "../shapes.ts";

/** @param about what follows from it */
export const failedWhen = (about: string) =>
  mapping({
    pointer: pointer("Where the word stands.").required(),
    equals: oneOrMore(scalar("A JSON value."), 32)
      .description(
        "A JSON value, or several of which one has to stand there; left out: anything but null, false and an empty list.",
      )
      .meta({ defaultText: "anything" }),
  })
    .allow(null)
    .description(about)
    .default(null);
