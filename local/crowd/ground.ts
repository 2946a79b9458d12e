import type { Turn, Visit } from "../../web/waiting-room.ts";
import type { Said, Shown } from "./calls.ts";
import type { Connections } from "./connections.ts";
import type { Habit, Person } from "./people.ts";

/** How somebody's visit ended. `unfinished`: they were sent home. */
export interface Ending {
  readonly user: string;
  readonly habit: Habit;
  readonly outcome: Turn["outcome"] | "abandoned" | "unfinished";
}

/** A place as a page showed it. */
export interface ShownPlace {
  readonly user: string;
  readonly page: number;
  readonly number: number;
  readonly position: number | null;
  readonly reason?: string;
  /** On this process's steady clock. */
  readonly at: number;
}

/** What a crowd lives on, and where it leaves its traces. */
export interface Ground {
  readonly api: string;
  readonly roomId: string;
  readonly tokens: ReadonlyMap<string, string>;
  readonly connections: Connections;
  /** On this process's steady clock. */
  readonly startedAt: number;
  readonly passMs: number;
  /** Everybody is sent home when it is aborted. */
  readonly over: AbortSignal;
  /** Told of who stops polling, and when they were last answered. */
  readonly onSilence: (user: string, since: number) => void;
  readonly onEnding: (ending: Ending) => void;
  /** Everything that pages show. */
  readonly places: ShownPlace[];
  /** Passes that were given, the latest last: what a stranger could show. */
  readonly passes: { readonly user: string; readonly pass: string }[];
}

/** Somebody on the ground, with what is theirs. */
export interface Visitor {
  readonly person: Person;
  readonly ground: Ground;
  /** What the client library wants to know; all their pages share what is stored. */
  readonly here: Visit & Required<Pick<Visit, "fetch" | "stored" | "signal">>;
  /** Asks for a coupon and shows this as the pass. */
  readonly ask: (shown: Shown, pass: string | undefined) => Promise<Said>;
}

export function visitorOf(person: Person, ground: Ground): Visitor {
  const { user } = person;
  const { api, roomId, connections, over } = ground;
  const token = ground.tokens.get(user) ?? "";
  const fetch = connections.fetchAs(user);
  return {
    ...{ person, ground },
    here: { api, roomId, token, fetch, stored: new Map<string, string>(), signal: AbortSignal.any([over]) },
    ask: (shown, pass) => connections.askForCoupon({ user, token }, shown, pass),
  };
}
