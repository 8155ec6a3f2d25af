/** The kinds of value an entry can have, each with a message that says what to write instead. */
import { type Pointer, formatPointer, parsePointer } from "@sticky-proxy/protocol/json";
import Joi from "joi";
import {
  checkFieldName,
  checkOrigin,
  checkPath,
  checkPrefix,
  checkPointer,
  checkRedisUrl,
  checkSealingKey,
  checkSigningSecret,
  checkToken,
  checkUrl,
} from "./checks.ts";
import { Entry, type Presence } from "./entry.ts";

const year = 366 * 24 * 3_600_000;

export interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

/** What an entry is when it is not written. "dynamic": decided later, from other entries; null: null may be written too. */
export type Initial<T> = T | null | "dynamic";

/** An entry with its default: `optional` where that is dynamic. */
export type With<I, Value, Written = Value, Sound = Value> = I extends "dynamic"
  ? Entry<Value, Written, "optional", Sound>
  : I extends null
    ? Entry<Value | null, Written | null, "initial", Sound | null>
    : Entry<Value, Written, "initial", Sound>;

function withInitial<const I, Value, Written, Sound>(
  entry: Entry<Value, Written, "optional", Sound>,
  initial: I,
): With<I, Value, Written, Sound> {
  if (initial === "dynamic") return entry as With<I, Value, Written, Sound>;
  const begun = initial === null ? entry.allow(null).default(null) : entry.default(initial as Value & I);
  return begun as With<I, Value, Written, Sound>;
}

function number<I extends Initial<number>>(
  schema: Joi.NumberSchema,
  about: string,
  initial: I,
): With<I, number> {
  return withInitial(new Entry<number>(schema.description(about)), initial);
}

function whole(bounds: Bounds, min: number, max: number): Joi.NumberSchema {
  return Joi.number()
    .integer()
    .min(bounds.min ?? min)
    .max(bounds.max ?? max);
}

export function integer<I extends Initial<number>>(
  about: string,
  initial: I,
  bounds: Bounds = {},
): With<I, number> {
  return number(whole(bounds, 0, 2 ** 31 - 1), about, initial);
}

/** A span; up to ten years, so that nothing overflows an epoch in milliseconds. */
export function millis<I extends Initial<number>>(
  about: string,
  initial: I,
  bounds: Bounds = {},
): With<I, number> {
  const schema = whole(bounds, 1, 10 * year).unit("ms");
  return number(schema.messages({ "number.base": "must be a number of milliseconds" }), about, initial);
}

export function bytes<I extends Initial<number>>(
  about: string,
  initial: I,
  bounds: Bounds = {},
): With<I, number> {
  const schema = whole(bounds, 1, 2 ** 40).unit("bytes");
  return number(schema.messages({ "number.base": "must be a number of bytes" }), about, initial);
}

/** A number that need not be whole. */
export function decimal<I extends Initial<number>>(
  about: string,
  initial: I,
  { min = 0, max }: Bounds = {},
): With<I, number> {
  const schema = Joi.number().min(min);
  return number(max === undefined ? schema : schema.max(max), about, initial);
}

export function fraction<I extends Initial<number>>(about: string, initial: I, max = 1): With<I, number> {
  return decimal(about, initial, { max });
}

export function port(about: string, initial: number): Entry<number, number, "initial"> {
  return integer(about, initial, { min: 0, max: 65_535 });
}

export function flag<I extends boolean | "dynamic">(about: string, initial: I): With<I, boolean> {
  return withInitial(new Entry<boolean>(Joi.boolean().description(about)), initial);
}

export function oneOf<const Word extends string>(about: string, words: readonly Word[]): Entry<Word>;
export function oneOf<const Word extends string>(
  about: string,
  words: readonly Word[],
  initial: NoInfer<Word>,
): Entry<Word, Word, "initial">;
export function oneOf<const Word extends string>(
  about: string,
  words: readonly Word[],
  initial?: NoInfer<Word>,
): Entry<Word, Word, Presence> {
  const entry = new Entry<Word>(
    Joi.string()
      .valid(...words)
      .description(about),
  );
  return initial === undefined ? entry : entry.default(initial);
}

/** Text that `check` accepts (null) or refuses (what to write instead). */
export function text(
  about: string,
  check: (value: string) => string | null,
  { min = 1, max = 2048 }: Bounds = {},
): Entry<string> {
  const schema = min === 0 ? Joi.string().min(0) : Joi.string();
  return new Entry(
    schema
      .max(max)
      .custom((value: string, helpers) => {
        const wrong = check(value);
        return wrong === null ? value : helpers.message({ custom: wrong });
      })
      .description(about),
  );
}

type Scalar = string | number | boolean | null;

/** A JSON value that is neither a mapping nor a list. */
export function scalar(about: string): Entry<Scalar> {
  const kinds = [Joi.boolean(), Joi.number().unsafe(), Joi.string().allow("")];
  return new Entry<Scalar>(
    Joi.alternatives(...kinds)
      .allow(null)
      .description(about),
  );
}

/** Any text of so many characters. */
export function word(about: string, max: number): Entry<string> {
  const schema = Joi.string().min(1).max(max);
  return new Entry(about === "" ? schema : schema.description(about));
}

/** A missing secret leaves a hole in its list; the file itself has none. */
export function list<Value, Written, Sound>(
  about: string,
  item: Entry<Value, Written, Presence, Sound>,
  { min = 0, max = 100 }: Bounds = {},
): Entry<readonly Value[], readonly Written[], "initial", readonly (Sound | undefined)[]> {
  const listOf = (joi: Joi.AnySchema): Joi.ArraySchema => {
    const schema = Joi.array().items(joi).sparse().max(max).description(about);
    return min === 0 ? schema.default([]) : schema.min(min);
  };
  return new Entry(
    listOf(item.joi),
    { write: (values: readonly Value[]) => values.map((value) => item.write(value)) },
    listOf(item.lenient),
  );
}

/** JSON Pointer (RFC 6901); "" is the whole document. */
export function pointer(about: string): Entry<Pointer, string> {
  return text(about, checkPointer, { min: 0 }).as(parsePointer, formatPointer);
}

/** JSON Pointer to a part of the document, not to the whole. */
export function memberPointer(about: string): Entry<Pointer, string> {
  return text(about, checkPointer).as(parsePointer, formatPointer);
}

/** Header field name, lower-case as value (RFC 9110 section 5.1: names have no case). */
export function field(about: string): Entry<string> {
  return text(about, checkFieldName, { max: 128 }).as(lower, (name) => name);
}

function lower(name: string): string {
  return name.toLowerCase();
}

const secretText = {
  "string.base": "must be text, or env alone with a name that begins with STICKY_SECRET_",
};

export const path = (about: string): Entry<string> => text(about, checkPath);
/** A path that requests are matched by. */
export const prefix = (about: string): Entry<string> => text(about, checkPrefix);
export const origin = (about: string): Entry<string> => text(about, checkOrigin);
export const url = (about: string): Entry<string> => text(about, checkUrl);
export const redisUrl = (about: string): Entry<string> => text(about, checkRedisUrl);
export const signingSecret = (about: string): Entry<string> =>
  text(about, checkSigningSecret).messages(secretText);
export const sealingKey = (about: string): Entry<string> => text(about, checkSealingKey).messages(secretText);
export const token = (about: string): Entry<string> => text(about, checkToken).messages(secretText);
