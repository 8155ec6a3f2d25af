/**
 * The part of Structured Field Values (RFC 9651, RFC 8941) that caching needs: dictionaries of bare items
 * for CDN-Cache-Control, lists of strings for Cache-Groups. Strict: one error makes the whole field invalid.
 */
export type BareItem =
  | { readonly type: "integer" | "decimal"; readonly value: number }
  | { readonly type: "string" | "token" | "bytes"; readonly value: string }
  | { readonly type: "boolean"; readonly value: boolean };

/** Member name to bare item; null stands for an inner list. The last of two equal names wins. null: invalid. */
export function parseDictionary(text: string): ReadonlyMap<string, BareItem | null> | null {
  const reader = new Reader(text);
  const members = new Map<string, BareItem | null>();
  try {
    reader.skip(" ");
    while (!reader.atEnd()) {
      const name = reader.key();
      if (reader.take("=")) members.set(name, reader.itemOrInnerList());
      else {
        reader.parameters();
        members.set(name, { type: "boolean", value: true });
      }
      if (!reader.nextMember()) break;
    }
    return members;
  } catch (error) {
    if (error instanceof InvalidField) return null;
    throw error;
  }
}

/** The strings of a list whose members are all strings, in order. null: invalid or another type. */
export function parseStringList(text: string): string[] | null {
  const reader = new Reader(text);
  const strings: string[] = [];
  try {
    reader.skip(" ");
    while (!reader.atEnd()) {
      const item = reader.itemOrInnerList();
      if (item === null || item.type !== "string") return null;
      strings.push(item.value);
      if (!reader.nextMember()) break;
    }
    return strings;
  } catch (error) {
    if (error instanceof InvalidField) return null;
    throw error;
  }
}

class InvalidField extends Error {}

/** RFC 9651 4.2, one method per production. */
class Reader {
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }

  atEnd(): boolean {
    return this.at >= this.text.length;
  }

  skip(characters: string): void {
    while (!this.atEnd() && characters.includes(this.text.charAt(this.at))) this.at++;
  }

  take(character: string): boolean {
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  private match(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found === null) throw new InvalidField();
    this.at += found[0].length;
    return found[0];
  }

  /** true: a comma, and another member behind it. false: the end. */
  nextMember(): boolean {
    this.skip(" \t");
    if (this.atEnd()) return false;
    if (!this.take(",")) throw new InvalidField();
    this.skip(" \t");
    if (this.atEnd()) throw new InvalidField(); // a trailing comma
    return true;
  }

  key(): string {
    return this.match(/[a-z*][a-z0-9_\-.*]*/y);
  }

  parameters(): void {
    while (this.take(";")) {
      this.skip(" ");
      this.key();
      if (this.take("=")) this.bareItem();
    }
  }

  itemOrInnerList(): BareItem | null {
    if (!this.take("(")) {
      const item = this.bareItem();
      this.parameters();
      return item;
    }
    for (;;) {
      this.skip(" ");
      if (this.take(")")) break;
      this.bareItem();
      this.parameters();
      if (this.text[this.at] !== " " && this.text[this.at] !== ")") throw new InvalidField();
    }
    this.parameters();
    return null;
  }

  private bareItem(): BareItem {
    const first = this.text[this.at] ?? "";
    if (first === '"') return { type: "string", value: this.string() };
    if (first === ":") return { type: "bytes", value: this.match(/:[A-Za-z0-9+/=]*:/y).slice(1, -1) };
    if (first === "?") return { type: "boolean", value: this.match(/\?[01]/y) === "?1" };
    if (/[A-Za-z*]/.test(first)) {
      return { type: "token", value: this.match(/[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*/y) };
    }
    return this.number();
  }

  private string(): string {
    const quoted = this.match(/"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"/y);
    return quoted.slice(1, -1).replace(/\\(.)/g, "$1");
  }

  private number(): BareItem {
    const written = this.match(/-?[0-9]+(?:\.[0-9]+)?/y);
    const [whole = "", fraction] = written.replace("-", "").split(".");
    if (fraction === undefined) {
      if (whole.length > 15) throw new InvalidField();
      return { type: "integer", value: Number(written) };
    }
    if (whole.length > 12 || fraction.length > 3) throw new InvalidField();
    return { type: "decimal", value: Number(written) };
  }
}
