/** The admin service: its path, its name for people, and how operators log in besides tokens. */
import { checkCidr, checkFieldName, checkPath } from "../checks.ts";
import { flag, list, text } from "../formats.ts";
import { mapping } from "../shapes.ts";

const group = (role: string) => list(`Groups that are ${role}.`, text("A group.", checkText, { max: 256 }));
const field = (about: string) =>
  text(about, checkFieldName, { max: 128 }).as(
    (name) => name.toLowerCase(),
    (name) => name,
  );

function checkText(value: string): string | null {
  return /^[^,\p{Cc}]+$/u.test(value) ? null : "must be a word without commas";
}

export const admin = mapping({
  basePath: text("Path that API and panel stand below, on a host that others share; null: none.", checkPath)
    .allow(null)
    .default(null),
  environment: text("What the panel calls this installation.", checkText, { max: 63 })
    .allow(null)
    .default(null)
    .meta({ defaultText: "the node's name" }),
  firstLogin: flag(
    "Without any token, print a link that logs in once also where adminHost is no loopback address: whoever reads the log is admin.",
    false,
  ),
  trustedHeader: mapping({
    user: field("The field that names the operator.").required(),
    groups: field("The field with the operator's groups, separated by commas.").required(),
    peers: list("Peers whose word counts: the auth proxy.", text("A CIDR block.", checkCidr), {
      min: 1,
      max: 1000,
    }).required(),
    viewer: group("viewers: they see"),
    operator: group("operators: they act on single things and see payloads"),
    admin: group("admins: they forget, and hand out tokens"),
  })
    .allow(null)
    .description("An auth proxy in front says who it is; null: tokens alone.")
    .default(null),
})
  .description("The admin API and panel.")
  .default();
