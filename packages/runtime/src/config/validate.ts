/** A tree of plain data against the schema: every fault in it, and the part that has none. */
import type Joi from "joi";
import { schema, type SoundConfig, type ValidConfig } from "./schema.ts";
import { wording } from "./wording.ts";

type Path = readonly (string | number)[];

export interface Validated {
  readonly faults: readonly Joi.ValidationErrorItem[];
  /** Without the entries that the faults name; their defaults stand in for them. */
  readonly sound: SoundConfig;
  /** null: there are faults. */
  readonly valid: ValidConfig | null;
}

const options: Joi.ValidationOptions = {
  abortEarly: false,
  convert: false,
  errors: { label: false },
  messages: wording,
};

export function validate(tree: unknown): Validated {
  const { value, faults } = schema.check(tree, options);
  return { faults, sound: value ?? soundPart(tree, faults), valid: value };
}

/** Each round takes out what was refused until nothing is. */
function soundPart(tree: unknown, faults: readonly Joi.ValidationErrorItem[]): SoundConfig {
  const rest = faults
    .filter(({ type }) => type !== "any.required")
    .reduce<unknown>((part, { path }) => without(part, path), tree);
  const left = schema.checkSound(rest, options);
  return left.value ?? soundPart(rest, left.faults);
}

/** A copy of `tree` without the entry at `path`; a list keeps a hole there. The whole tree is replaced by an empty one. */
function without(tree: unknown, [step, ...rest]: Path): unknown {
  if (step === undefined) return {};
  if (typeof tree !== "object" || tree === null) return tree;
  if (Array.isArray(tree))
    return tree.map((item: unknown, i) =>
      i !== step ? item : rest.length === 0 ? undefined : without(item, rest),
    );
  return Object.fromEntries(
    Object.entries(tree).flatMap(([name, value]) =>
      name !== step ? [[name, value]] : rest.length === 0 ? [] : [[name, without(value, rest)]],
    ),
  );
}
