/**
 * Lua scripts, typed by name. A script declares its keys and arguments once, in the order of its own first lines; a caller
 * names each of them, so a missing or swapped one does not compile. `tests/lua.test.ts` holds declaration against text.
 */

/** Empty ones at the end are not sent: the script sees nil. */
export type ScriptArgument = string | number | Buffer;

export interface Script<K extends string, A extends string, R> {
  readonly name: string;
  readonly text: string;
  readonly keys: readonly K[];
  readonly args: readonly A[];
  /** Whether the reply holds packed values: its strings then come as bytes. */
  readonly isBinary?: boolean | undefined;
  /** Turns the raw reply into a value. Throws on a reply that the header does not list: that is a bug, not an outcome. */
  readonly reply: (raw: unknown) => R;
}

/** Every script that was defined, for the test that holds headers against callers and loads each into a real server. */
export const scripts: Script<string, string, unknown>[] = [];

/**
 * Declares a script.
 * @param name the file's name without `.lua`
 * @param text the file's text
 * @param isBinary whether its reply holds packed values
 */
export function defineScript<const K extends string, const A extends string, R>(
  name: string,
  text: string,
  keys: readonly K[],
  args: readonly A[],
  reply: (raw: unknown) => R,
  isBinary = false,
): Script<K, A, R> {
  const script = { name, text, keys, args, reply, isBinary };
  scripts.push(script);
  return script;
}

/**
 * What follows EVALSHA's digest: the number of keys, the keys, the arguments, each in the script's order. Arguments that are
 * empty at the end are left out: each costs the server as much as a look-up.
 */
export function valuesOf<K extends string, A extends string>(
  script: Pick<Script<K, A, unknown>, "keys" | "args">,
  keys: Readonly<Record<K, string>>,
  args: Readonly<Record<A, ScriptArgument>>,
): ScriptArgument[] {
  const values = script.args.map((name) => args[name]);
  while (values.length > 0 && values.at(-1)?.toString() === "") values.pop();
  return [script.keys.length, ...script.keys.map((name) => keys[name]), ...values];
}

/** A reply that its script's header does not list. */
export class UnexpectedReply extends Error {
  constructor(script: string, raw: unknown) {
    super(`${script}.lua replied ${JSON.stringify(raw)}, which its header does not list`);
    this.name = "UnexpectedReply";
  }
}
