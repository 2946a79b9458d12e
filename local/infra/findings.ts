const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

/** What a judge found: one line each, beginning with the file in which to mend it. */
export class Findings {
  readonly lines: string[] = [];
  #checked = 0;

  /** How many things were looked at. */
  get checked(): number {
    return this.#checked;
  }

  /** @param file where to mend it, from the project's root */
  that(file: string, holds: boolean, otherwise: string): void {
    this.#checked += 1;
    if (!holds) this.lines.push(`${file}: ${otherwise}`);
  }

  equal(file: string, what: string, found: unknown, wanted: unknown): void {
    const text = (value: unknown) => JSON.stringify(value) ?? "nothing";
    this.that(file, text(found) === text(wanted), `${what} is ${text(found)}, not ${text(wanted)}.`);
  }

  /**
   * That two values are alike in everything, whatever the order of an object's members; lists have an order. A line for each place
   * in which they differ, so that a setting that nobody named is found as well as one that is missing.
   */
  alike(file: string, what: string, found: unknown, wanted: unknown): void {
    if (!isMap(found) || !isMap(wanted) || Array.isArray(found) !== Array.isArray(wanted)) {
      this.equal(file, what, found, wanted);
      return;
    }
    const place = (key: string) => (Array.isArray(wanted) ? `${what}[${key}]` : `${what}.${key}`);
    for (const key of new Set([...Object.keys(wanted), ...Object.keys(found)]))
      this.alike(file, place(key), found[key], wanted[key]);
    // Something was looked at even where both are empty.
    this.#checked += 1;
  }

  /** That two lists have the same members. */
  same(file: string, what: string, found: Iterable<string>, wanted: Iterable<string>): void {
    const [has, wants] = [new Set(found), new Set(wanted)];
    const without = (a: ReadonlySet<string>, b: ReadonlySet<string>) => [...a].filter((it) => !b.has(it));
    const [missing, extra] = [without(wants, has), without(has, wants)];
    this.that(file, missing.length === 0, `${what}: ${missing.join(", ")} is missing.`);
    this.that(file, extra.length === 0, `${what}: ${extra.join(", ")} should not be there.`);
  }
}
