/** Keys of what is stored of requests and answers. */
import { flag, list, sealingKey, text } from "../formats.ts";
import { mapping } from "../shapes.ts";

const key = mapping({
  id: text("Name of the key, stored beside each value; never give it to another one.", (value) =>
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/.test(value)
      ? null
      : "must be 1 to 32 letters, digits, dots and dashes",
  ).required(),
  secret: sealingKey("Base64 of 32 random bytes (openssl rand -base64 32).").required(),
});

export const encryption = mapping({
  keys: list("The first writes, all read; one goes when nothing written under it is left.", key, {
    max: 20,
  }),
  write: flag("false: new values are written in clear, sealed ones are read.", true),
});
