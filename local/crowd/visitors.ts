import { setTimeout as sleep } from "node:timers/promises";
import { leave } from "../../web/waiting-room.ts";
import { type Ending, type Ground, type Visitor, visitorOf } from "./ground.ts";
import { waitInLine } from "./line.ts";
import type { Person } from "./people.ts";
import { trickOf } from "./tricks.ts";

/** After its end a pass is tried once more: this much later, so that a clock's millisecond does not decide. */
const AFTER_EXPIRY_MS = 500;

/** Lets the crowd in. Resolves when everybody is through, or was sent home. */
export async function letIn(people: readonly Person[], ground: Ground): Promise<void> {
  await Promise.all(
    people.map(async (person) => {
      const { user, habit } = person;
      const visitor = visitorOf(person, ground);
      try {
        const comesIn = Math.max(0, ground.startedAt + person.atMs - performance.now());
        await sleep(comesIn, undefined, { signal: visitor.here.signal });
        ground.onEnding({ user, habit, outcome: await visit(visitor) });
      } catch (error) {
        if (!ground.over.aborted) throw error;
        ground.onEnding({ user, habit, outcome: "unfinished" });
      }
    }),
  );
}

async function visit(visitor: Visitor): Promise<Ending["outcome"]> {
  const { person, ground } = visitor;
  const trick = trickOf(visitor);
  const waited = await waitInLine(visitor, trick);
  if (waited.outcome === "stopped") {
    ground.onSilence(person.user, ground.connections.lastAnswerAt(person.user));
    return "abandoned";
  }
  if (waited.outcome === "admitted") await shop(visitor, waited.pass, trick);
  return waited.outcome;
}

/** Asks for a coupon, and gives the pass back or keeps it until it has expired. */
async function shop({ person, ground, here, ask }: Visitor, pass: string, trick: (pass: string) => Promise<unknown>) {
  const pause = (ms: number) => sleep(Math.max(0, ms), undefined, { signal: here.signal });
  const [before, after] = person.pausesMs;
  const endsAt = performance.now() + ground.passMs;
  ground.passes.push({ user: person.user, pass });
  await pause(before);
  await trick(pass);
  await ask("pass", pass);
  await pause(after);
  if (person.habit !== "keeps") return leave(here);
  await pause(endsAt + AFTER_EXPIRY_MS - performance.now());
  await ask("expired-pass", pass);
}
