import { setTimeout as sleep } from "node:timers/promises";
import type { Visitor } from "./ground.ts";

const LOOK_FOR_PASS_MS = 200;

/**
 * Makes somebody's trick, which is tried once however often it is called: while they wait, or else when they are in. A pass to
 * damage is there only then.
 */
export function trickOf({ person, ground, here, ask }: Visitor): (pass?: string) => Promise<unknown> {
  const { user, trick } = person;
  let tried: Promise<unknown> | undefined;

  async function attempt(pass: string): Promise<unknown> {
    switch (trick) {
      case "no-pass":
        return ask(trick, undefined);
      case "damaged-pass":
        return ask(trick, damaged(pass));
      case "ticket-as-pass":
        return ask(trick, here.stored.get("ticket") ?? undefined);
      case "strangers-pass":
        return ask(trick, await strangersPass());
      case undefined:
        return undefined;
    }
  }

  async function strangersPass(): Promise<string> {
    for (;;) {
      const other = ground.passes.findLast((given) => given.user !== user);
      if (other) return other.pass;
      await sleep(LOOK_FOR_PASS_MS, undefined, { signal: here.signal });
    }
  }

  return (pass) => {
    if (trick === "damaged-pass" && pass === undefined) return Promise.resolve();
    tried ??= attempt(pass ?? "");
    // Nobody waits for it while its user waits in line; whoever is sent home meanwhile has tried nothing.
    tried.catch(() => {});
    return tried;
  };
}

/** The same pass with one character of its signature changed. */
function damaged(pass: string): string {
  const at = pass.lastIndexOf(".") + 1;
  return `${pass.slice(0, at)}${pass[at] === "A" ? "B" : "A"}${pass.slice(at + 1)}`;
}
