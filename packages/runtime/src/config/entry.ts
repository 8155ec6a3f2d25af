/**
 * One entry of the configuration: joi checks it, and its types say what the check yields and what a file may hold.
 * The types of the whole configuration follow from the tree of entries; no second declaration stands beside it.
 */
import type Joi from "joi";

/** `required`: must be written; `initial`: has a default; `optional`: absent where it is not written. */
export type Presence = "required" | "initial" | "optional";

/** The inverse of the check: a value in the words of the file. */
export interface Writer {
  write(value: unknown): unknown;
}

const unchanged: Writer = { write: (value) => value };

/**
 * Immutable, as joi's schemas are.
 * @typeParam Value what the check yields
 * @typeParam Written what a file holds
 * @typeParam Sound what is left of a value when refused entries below it are taken out
 */
export class Entry<Value, Written = Value, P extends Presence = "optional", Sound = Value> {
  declare readonly value: Value;
  declare readonly written: Written;
  declare readonly presence: P;
  declare readonly sound: Sound;
  readonly joi: Joi.AnySchema;
  /** The same, with nothing required: for the sound part. */
  readonly lenient: Joi.AnySchema;
  readonly #writer: Writer;

  constructor(joi: Joi.AnySchema, writer: Writer = unchanged, lenient: Joi.AnySchema = joi) {
    this.joi = joi;
    this.lenient = lenient;
    this.#writer = writer;
  }

  required(): Entry<Value, Written, "required", Sound> {
    return new Entry(this.joi.required(), this.#writer, this.lenient);
  }

  /** Without `initial`, the default of a mapping is put together from the defaults of its members. */
  default(initial?: Value): Entry<Value, Written, "initial", Sound> {
    return this.#with((joi) => (initial === undefined ? joi.default() : joi.default(initial)));
  }

  /** `null` may be written and is the value. */
  allow(nothing: null): Entry<Value | null, Written | null, P, Sound | null> {
    return this.#with((joi) => joi.allow(nothing), {
      write: (value) => (value === null ? null : this.#writer.write(value)),
    });
  }

  description(about: string): Entry<Value, Written, P, Sound> {
    return this.#with((joi) => joi.description(about));
  }

  /** `defaultText`: the default in words, where it depends on other entries. */
  meta(meta: { readonly defaultText: string }): Entry<Value, Written, P, Sound> {
    return this.#with((joi) => joi.meta(meta));
  }

  /** What is said instead of joi's texts, by error code. */
  messages(texts: Readonly<Record<string, string>>): Entry<Value, Written, P, Sound> {
    return this.#with((joi) => joi.messages(texts));
  }

  /**
   * Another value for the same words; `back` is the inverse of `read`. null and defaults do not pass through `read`; text
   * that its own check refuses does, so `read` throws at nothing.
   */
  as<Other>(read: (value: Value) => Other, back: (value: Other) => Value): Entry<Other, Written, P> {
    const writer: Writer = { write: (value: Other) => this.#writer.write(back(value)) };
    return this.#with((joi) => joi.custom(read), writer);
  }

  /** @returns what the data says, or every fault in it */
  check(data: unknown, options: Joi.ValidationOptions): Checked<Value> {
    return checked(this.joi, data, options);
  }

  /** The same where nothing is required. */
  checkSound(data: unknown, options: Joi.ValidationOptions): Checked<Sound> {
    return checked(this.lenient, data, options);
  }

  /** The words that the check turns into `value` again. */
  write(value: Value): Written {
    return this.#writer.write(value) as Written;
  }

  #with<V, W, Q extends Presence, S>(
    change: (joi: Joi.AnySchema) => Joi.AnySchema,
    writer = this.#writer,
  ): Entry<V, W, Q, S> {
    return new Entry(change(this.joi), writer, change(this.lenient));
  }
}

export type Checked<T> =
  | { readonly value: T; readonly faults: readonly [] }
  | { readonly value: null; readonly faults: readonly Joi.ValidationErrorItem[] };

function checked<T>(joi: Joi.AnySchema, data: unknown, options: Joi.ValidationOptions): Checked<T> {
  const result: { readonly error?: Joi.ValidationError | undefined; readonly value: unknown } = joi.validate(
    data,
    options,
  );
  if (result.error !== undefined) return { value: null, faults: result.error.details };
  return { value: result.value as T, faults: [] };
}

export type AnyEntry = Entry<unknown, unknown, Presence, unknown>;
