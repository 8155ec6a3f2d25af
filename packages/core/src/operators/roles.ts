/** Who may do what: three roles, each of which may do what the one before it may. */

export const roles = ["viewer", "operator", "admin"] as const;
/** viewer sees; operator acts on single things and sees payloads; admin forgets, masks, and hands out tokens. */
export type Role = (typeof roles)[number];

/** Whether somebody of the role `has` may do what needs the role `needs`. */
export function includesRole(has: Role, needs: Role): boolean {
  return roles.indexOf(has) >= roles.indexOf(needs);
}

/** The highest role that the groups give; null: none of them gives any. `map` names groups per role. */
export function roleOfGroups(
  groups: readonly string[],
  map: Readonly<Record<Role, readonly string[]>>,
): Role | null {
  return roles.toReversed().find((role) => map[role].some((group) => groups.includes(group))) ?? null;
}
