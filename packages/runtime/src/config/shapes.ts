/** Entries made of entries: mappings, lists, alternatives. */
import Joi from "joi";
import { Entry, type AnyEntry, type Presence, type Writer } from "./entry.ts";

type Shape = Readonly<Record<string, AnyEntry>>;
type Flat<T> = { [Name in keyof T]: T[Name] } & {};

/** The members under `As`, those whose presence is one of `Absent` optional. */
type Members<S extends Shape, As extends "value" | "written" | "sound", Absent extends Presence> = Flat<
  { readonly [Name in keyof S as S[Name]["presence"] extends Absent ? never : Name]: S[Name][As] } & {
    readonly [Name in keyof S as S[Name]["presence"] extends Absent ? Name : never]?: S[Name][As];
  }
>;
type Values<S extends Shape> = Members<S, "value", "optional">;
type Writtens<S extends Shape> = Members<S, "written", "optional" | "initial">;
type Sounds<S extends Shape> = Members<S, "sound", "optional" | "required">;

/** A mapping with these names and no others. */
export function mapping<S extends Shape>(shape: S): Entry<Values<S>, Writtens<S>, "optional", Sounds<S>> {
  return new Entry(
    Joi.object(members(shape, "joi")),
    memberWriter(shape),
    Joi.object(members(shape, "lenient")),
  );
}

/** A mapping with exactly one of these names. */
export function exactlyOne<S extends Readonly<Record<string, Entry<unknown, unknown>>>>(
  shape: S,
): Entry<
  { [Name in keyof S]: { readonly [One in Name]: S[One]["value"] } }[keyof S],
  { [Name in keyof S]: { readonly [One in Name]: S[One]["written"] } }[keyof S]
> {
  return new Entry(Joi.object(members(shape, "joi")).length(1), memberWriter(shape));
}

type Variants = Readonly<Record<string, Shape>>;

/** A mapping with `shared` and the names that its word under `kind` asks for; a name belongs to one word alone. */
export function variants<const Kind extends string, S extends Shape, V extends Variants>(
  kind: Kind,
  about: string,
  shared: S,
  byWord: V,
): Entry<
  { [Word in keyof V]: Flat<Values<S> & Readonly<Record<Kind, Word>> & Values<V[Word]>> }[keyof V],
  { [Word in keyof V]: Flat<Writtens<S> & Readonly<Record<Kind, Word>> & Writtens<V[Word]>> }[keyof V],
  "optional",
  Sounds<S>
> {
  const words = Joi.string()
    .valid(...Object.keys(byWord))
    .description(about);
  const own = Object.entries(byWord).flatMap(([is, shape]) =>
    Object.entries(shape).map(([name, { lenient }]) => ({ name, is, lenient })),
  );
  const keysOf = (then: Joi.Schema): Record<string, Joi.AnySchema> =>
    Object.fromEntries(
      own.map(({ name, is, lenient }) => [
        name,
        lenient.when(kind, { is, then, otherwise: Joi.forbidden() }),
      ]),
    );
  const strict = { ...members(shared, "joi"), [kind]: words.required(), ...keysOf(Joi.required()) };
  const lenient = { ...members(shared, "lenient"), [kind]: words, ...keysOf(Joi.optional()) };
  const all = [{ [kind]: new Entry(words) }, shared, ...Object.values(byWord)].flatMap(
    Object.entries<AnyEntry>,
  );
  return new Entry(Joi.object(strict), memberWriter(Object.fromEntries(all)), Joi.object(lenient));
}

/** A mapping of at most `max` names that the user chooses, within `name`. */
export function record<Value, Written, Sound>(
  name: RegExp,
  item: Entry<Value, Written, Presence, Sound>,
  max?: number,
): Entry<
  Readonly<Record<string, Value>>,
  Readonly<Record<string, Written>>,
  "optional",
  Readonly<Record<string, Sound>>
> {
  const recordOf = (joi: Joi.AnySchema): Joi.ObjectSchema => {
    const schema = Joi.object().pattern(name, joi);
    return max === undefined ? schema : schema.max(max);
  };
  const writer: Writer = {
    write: (values: Readonly<Record<string, Value>>) =>
      Object.fromEntries(Object.entries(values).map(([key, value]) => [key, item.write(value)])),
  };
  return new Entry(recordOf(item.joi), writer, recordOf(item.lenient));
}

/** A mapping that is not looked into. */
export function anyMapping(): Entry<Readonly<Record<string, unknown>>> {
  return new Entry(Joi.object().unknown(true));
}

/** A mapping, else `other`; messages then speak of the branch that was meant. */
export function either<A extends object, AWritten, ASound, B, BWritten, BSound>(
  one: Entry<A, AWritten, Presence, ASound>,
  other: Entry<B, BWritten, Presence, BSound>,
): Entry<A | B, AWritten | BWritten, "optional", ASound | BSound> {
  const isMapping = (value: A | B): value is A =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  const choice = (then: Joi.AnySchema, otherwise: Joi.AnySchema): Joi.AnySchema =>
    Joi.alternatives().conditional(Joi.object().unknown(), { then, otherwise });
  const writer: Writer = {
    write: (value: A | B) => (isMapping(value) ? one.write(value) : other.write(value)),
  };
  return new Entry(choice(one.joi, other.joi), writer, choice(one.lenient, other.lenient));
}

/** One to `max` items in a list, or one item without it. */
export function oneOrMore<Value, Written, Sound>(
  item: Entry<Value, Written, Presence, Sound>,
  max: number,
): Entry<readonly Value[], Written | readonly Written[], "optional", readonly (Sound | undefined)[]> {
  const choice = (items: Joi.ArraySchema, one: Joi.AnySchema): Joi.AnySchema =>
    Joi.alternatives()
      .conditional(Joi.array(), { then: items.max(max), otherwise: one })
      .custom((value: Value | readonly Value[]) =>
        value === undefined || Array.isArray(value) ? value : [value],
      );
  const writer: Writer = { write: (values: readonly Value[]) => values.map((value) => item.write(value)) };
  return new Entry(
    choice(Joi.array().items(item.joi).min(1), item.joi),
    writer,
    // A refused item leaves a hole.
    choice(Joi.array().items(item.lenient).sparse(), item.lenient),
  );
}

/** One of some words for the whole, else `other`. */
export function wordOr<const Word extends string, Value, Written, Sound>(
  words: readonly Word[],
  other: Entry<Value, Written, Presence, Sound>,
): Entry<Word | Value, Word | Written, "optional", Word | Sound> {
  const isWord = (value: Word | Value): value is Word => words.some((word) => word === value);
  const choice = (otherwise: Joi.AnySchema): Joi.AnySchema =>
    Joi.alternatives().conditional(Joi.string(), { then: Joi.string().valid(...words), otherwise });
  const writer: Writer = {
    write: (value: Word | Value) => (isWord(value) ? value : other.write(value)),
  };
  return new Entry(choice(other.joi), writer, choice(other.lenient));
}

function members(shape: Shape, which: "joi" | "lenient"): Record<string, Joi.AnySchema> {
  return Object.fromEntries(Object.entries(shape).map(([name, entry]) => [name, entry[which]]));
}

/** Names outside the shape are left out: a value may carry more than the file says. */
function memberWriter(shape: Shape): Writer {
  return {
    write: (value: Readonly<Record<string, unknown>>) =>
      Object.fromEntries(
        Object.entries(shape).flatMap(([name, entry]) =>
          value[name] === undefined ? [] : [[name, entry.write(value[name])]],
        ),
      ),
  };
}
