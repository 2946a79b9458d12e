import { setTimeout as sleep } from "node:timers/promises";
import { leave, type Place, type Turn, waitForTurn } from "../../web/waiting-room.ts";
import type { Visitor } from "./ground.ts";

/** How somebody's time in line ended; `stopped`: they are not heard of any more. */
export type Waited = Turn | { readonly outcome: "stopped" };

/** Waits in line as it is somebody's habit. `onPlace` is called with every place that they see. */
export async function waitInLine(visitor: Visitor, onPlace: () => void): Promise<Waited> {
  const { person, here } = visitor;
  const wait = (page: number, leavesAt?: number) => waitInPage(visitor, { page, leavesAt, onPlace });
  switch (person.habit) {
    case "patient":
    case "keeps":
      return wait(1);
    case "hurries":
      return hurry(visitor);
    case "abandons":
      return wait(1, person.untilShare);
    case "returns": {
      const waited = await wait(1, person.untilShare);
      if (waited.outcome !== "stopped") return waited;
      await leave(here);
      await sleep(person.awayMs, undefined, { signal: here.signal });
      return wait(1);
    }
    case "two-pages": {
      const [first, second] = await Promise.all([wait(1), wait(2)]);
      return first.outcome === "admitted" ? second : first;
    }
  }
}

interface Page {
  readonly page: number;
  /** The share of the first place at which the page is closed. */
  readonly leavesAt: number | undefined;
  readonly onPlace: () => void;
}

/** Waits in a page, with the client library. */
async function waitInPage({ person, ground, here }: Visitor, { page, leavesAt, onPlace }: Page): Promise<Waited> {
  const closed = new AbortController();
  let first: number | null = null;
  const show = ({ number, position, reason }: Place) => {
    const what = { user: person.user, page, number, position, ...(reason === undefined ? {} : { reason }) };
    ground.places.push({ ...what, at: performance.now() });
    onPlace();
    first ??= position;
    const isTime = leavesAt !== undefined && first !== null && position !== null && position <= leavesAt * first;
    if (isTime) closed.abort();
  };
  try {
    const signal = AbortSignal.any([here.signal, closed.signal]);
    const watches = person.watches ? {} : { watchMs: Number.POSITIVE_INFINITY };
    return await waitForTurn({ ...here, ...watches, signal, onPlace: show });
  } catch (error) {
    if (!closed.signal.aborted) throw error;
    return { outcome: "stopped" };
  }
}

interface Ticket {
  readonly state: string;
  readonly number: number;
  readonly pass?: string;
  readonly passExpiresAt?: string;
}

/** Asks again and again, whatever the room says. */
async function hurry({ person, here }: Visitor): Promise<Waited> {
  const { api, roomId, token, fetch, signal } = here;
  const headers = { authorization: `Bearer ${token}` };
  let [method, path] = ["POST", "tickets"];
  for (;;) {
    const answer = await fetch(`${api}/rooms/${roomId}/${path}`, { method, headers, signal }).catch(() => undefined);
    signal.throwIfAborted();
    if (answer?.status === 404) return { outcome: "gone" };
    if (answer && answer.status < 300) {
      [method, path] = ["GET", "tickets/me"];
      const { state, number, pass = "", passExpiresAt = "" } = (await answer.json()) as Ticket;
      if (state === "admitted") return { outcome: "admitted", pass, expiresAt: passExpiresAt, number };
      if (state === "expired") return { outcome: "expired", number };
    }
    await sleep(person.hurryMs, undefined, { signal });
  }
}
