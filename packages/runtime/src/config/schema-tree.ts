/** The schema as the tree that joi's describe() gives: the one typed reading of it, for the tables, editors and error texts. */
import { schema } from "./schema.ts";

/** The part of a joi description that is read here. */
export interface SchemaNode {
  readonly type?: string;
  readonly keys?: Readonly<Record<string, SchemaNode>>;
  /** Entries whose names the user chooses: `regex` is written with its slashes; absent where code checks the name. */
  readonly patterns?: readonly { readonly rule: SchemaNode; readonly regex?: string }[];
  readonly items?: readonly SchemaNode[];
  readonly matches?: readonly {
    readonly schema?: SchemaNode;
    readonly then?: SchemaNode;
    readonly otherwise?: SchemaNode;
  }[];
  readonly rules?: readonly { readonly name: string; readonly args?: { readonly limit?: unknown } }[];
  readonly allow?: readonly unknown[];
  readonly metas?: readonly { readonly defaultText?: string }[];
  readonly flags?: {
    readonly default?: unknown;
    readonly description?: string;
    readonly presence?: string;
    readonly only?: boolean;
    readonly unit?: string;
    /** True: the mapping takes any names. */
    readonly unknown?: boolean;
  };
}

export function schemaTree(): SchemaNode {
  return schema.joi.describe() as SchemaNode;
}

/** What a value of an `either` may be instead; empty for every other kind. */
export function branchesOf({ matches = [] }: SchemaNode): SchemaNode[] {
  return matches
    .flatMap(({ then, otherwise, schema: one }) => [then, otherwise, one])
    .filter((branch) => branch !== undefined);
}

/** The default of an entry that is left out; undefined: none, or the defaults of its parts (joi's "special"). */
export function plainDefault({ flags }: SchemaNode): unknown {
  const initial = flags?.default;
  return isFromParts(initial) ? undefined : initial;
}

/** True where the default of a mapping is put together from the defaults of its parts. */
export function isFromParts(initial: unknown): boolean {
  return typeof initial === "object" && initial !== null && "special" in initial;
}
