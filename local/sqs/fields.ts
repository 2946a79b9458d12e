import { malformedRequest, missingParameter } from "./errors.ts";

/**
 * One JSON object of a request, read member by member. A member of the wrong type is refused
 * here, so that nothing behind this class has to doubt the type of what it was given.
 */
export class Fields {
  readonly #members: Readonly<Record<string, unknown>>;

  private constructor(members: Readonly<Record<string, unknown>>) {
    this.#members = members;
  }

  static parse(json: string): Fields {
    let value: unknown;
    try {
      value = json === "" ? {} : JSON.parse(json);
    } catch {
      throw malformedRequest("The request body is not JSON.");
    }
    return Fields.#of(value, "The request body");
  }

  static #of(value: unknown, what: string): Fields {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw malformedRequest(`${what} must be a JSON object.`);
    }
    return new Fields(value as Record<string, unknown>);
  }

  text(name: string): string | undefined {
    const value = this.#get(name);
    if (value === undefined || typeof value === "string") {
      return value;
    }
    throw malformedRequest(`${name} must be a string.`);
  }

  requiredText(name: string): string {
    const value = this.text(name);
    if (value === undefined || value === "") {
      throw missingParameter(name);
    }
    return value;
  }

  integer(name: string): number | undefined {
    const value = this.#get(name);
    if (value === undefined || (typeof value === "number" && Number.isInteger(value))) {
      return value;
    }
    throw malformedRequest(`${name} must be an integer.`);
  }

  texts(name: string): string[] {
    return this.#list(name).map((value) => {
      if (typeof value !== "string") {
        throw malformedRequest(`${name} must be a list of strings.`);
      }
      return value;
    });
  }

  /** The members of a map such as `Attributes`, whose values are all strings. */
  textMap(name: string): Record<string, string> {
    const map: Record<string, string> = {};
    for (const [key, value] of this.#membersOf(name)) {
      if (typeof value !== "string") {
        throw malformedRequest(`${name}.${key} must be a string.`);
      }
      map[key] = value;
    }
    return map;
  }

  child(name: string): Fields | undefined {
    const value = this.#get(name);
    return value === undefined ? undefined : Fields.#of(value, name);
  }

  children(name: string): Fields[] {
    return this.#list(name).map((value) => Fields.#of(value, name));
  }

  /** Every member of a map whose values are objects, such as `MessageAttributes`. */
  namedChildren(name: string): [string, Fields][] {
    return this.#membersOf(name).map(([key, value]) => [key, Fields.#of(value, `${name}.${key}`)]);
  }

  #get(name: string): unknown {
    return this.#members[name] ?? undefined;
  }

  #membersOf(name: string): [string, unknown][] {
    const child = this.child(name);
    return child === undefined ? [] : Object.entries(child.#members);
  }

  #list(name: string): unknown[] {
    const value = this.#get(name);
    if (value === undefined) {
      return [];
    }
    if (!Array.isArray(value)) {
      throw malformedRequest(`${name} must be a list.`);
    }
    return value;
  }
}
