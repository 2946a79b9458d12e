import type { Ctx } from "../../core/context.ts";
import { putBoard } from "../../core/rankings/board.ts";
import type { BoardRecord, BoardRules } from "../../core/rankings/board-records.ts";
import { beginRebuild } from "../../core/rankings/edition.ts";
import { type Edition, editions, liveOf, type RebuildReport } from "../../core/rankings/edition-records.ts";
import { type Ingested, ingest, type SentEvent } from "../../core/rankings/ingest.ts";
import { type Published, type Publisher, publisher } from "../../core/rankings/publish.ts";
import { reader, type TopPage } from "../../core/rankings/read.ts";
import { rebuilder } from "../../core/rankings/rebuild.ts";
import type { Window } from "../../core/rankings/windows.ts";
import { isRefusal } from "../../core/words.ts";
import { type Parts, startParts } from "./parts.ts";
import { allRecords, type EventsPump, openEventsPump } from "./rankings.ts";

/** The domain of rankings with real stores of its own, and with clocks that a test moves. */
export interface RankingsStack {
  readonly parts: Parts;
  readonly ctx: Ctx;
  /** The domain's clock, in milliseconds since 1970. */
  readonly clock: { now: number };
  readonly pump: EventsPump;
  readonly publisher: Publisher;
  /** Moves the queue's clock: past visibility timeouts, and past its window of deduplication. */
  passQueue(ms: number): void;
  /** Puts a board; @throws where it is refused */
  put(boardId: string, rules?: Partial<BoardRules>, isToSwitch?: boolean, weak?: Ctx): Promise<BoardRecord>;
  /** Sends one batch; @throws where it is refused */
  send(key: string, events: readonly SentEvent[], weak?: Ctx): Promise<Ingested>;
  /** Counts what waits in the queue. */
  drain(): ReturnType<EventsPump["drain"]>;
  publish(weak?: Ctx): Promise<Published>;
  live(): Promise<Edition>;
  /** Views of every product in 1h, 24h and 7d, as the live edition has them. */
  views(): Promise<Record<string, number[]>>;
  /** What a container that has just begun shows. */
  top(boardId: string, window?: Window): Promise<TopPage>;
  /** Goes on with a rebuild, or begins one, until its edition is live. */
  rebuild(): Promise<RebuildReport>;
  stop(): Promise<void>;
}

export const RULES: BoardRules = {
  weights: { view: 1, like: 3, cart: 5, sale: 20, revenue: 2 },
  halfLifeHours: 6,
  size: 25,
};

const HOUR = 3_600_000;

export async function startRankings(): Promise<RankingsStack> {
  let queueNow = Date.now();
  const parts = await startParts(() => queueNow);
  const passQueue = (ms: number) => {
    queueNow += ms;
  };
  // Five minutes past an hour, at any time of day: no test then depends on where in an hour it is run.
  const clock = { now: Math.floor(Date.now() / HOUR) * HOUR + 300_000 };
  const ctx: Ctx = { ...parts.ctx, now: () => clock.now };
  const pump = openEventsPump(parts, () => passQueue(60_000));
  const own = publisher();

  const stack: RankingsStack = {
    ...{ parts, ctx, clock, pump, publisher: own, passQueue },
    async put(boardId, rules = {}, isToSwitch = true, weak = ctx) {
      const result = await putBoard(weak, own, boardId, { ...RULES, ...rules }, isToSwitch);
      if (isRefusal(result)) throw new Error(result.detail);
      return result.board;
    },
    async send(key, events, weak = ctx) {
      const result = await ingest(weak, { senderId: "shop", key, events });
      if (isRefusal(result)) throw new Error(result.detail);
      return result;
    },
    drain: () => pump.drain(() => ctx),
    publish: (weak = ctx) => own.publishAll(weak, clock.now + HOUR),
    async live() {
      const live = liveOf(await editions.get(ctx));
      if (!live) throw new Error("no live edition");
      return live;
    },
    async views() {
      const records = await allRecords(ctx, (await stack.live()).id);
      return Object.fromEntries([...records].map(([name, { windows }]) => [name, windows.map(({ views }) => views)]));
    },
    async top(boardId, window = "24h") {
      const page = await reader().top(ctx, { boardId, window, limit: 100 });
      if (isRefusal(page)) throw new Error(page.detail);
      return page;
    },
    async rebuild() {
      const begun = await beginRebuild(ctx, "drill");
      const rebuild = rebuilder();
      clock.now = Math.max(clock.now, (begun?.cut ?? 0) + 16_000);
      for (let looks = 0; looks < 60; looks++) {
        const { word } = await rebuild(ctx, clock.now + HOUR);
        const { lastRebuild } = await editions.get(ctx);
        if (word === "switched" && lastRebuild) return lastRebuild;
        await stack.drain();
        clock.now += 1_000;
      }
      throw new Error("the rebuild does not come to its end");
    },
    async stop() {
      pump.close();
      await parts.stop();
    },
  };
  return stack;
}

/** A call of a door: its name and what it is given. */
export type Call = (name: string, args: readonly unknown[]) => boolean;

/** Whether it is a write under a partition of the ledger that begins so. */
export const writes =
  (partition: string): Call =>
  (name, [key]) =>
    name === "put" && (key as { pk: string }).pk.startsWith(partition);

/** Whether it runs a script. */
export const runs =
  (script: string): Call =>
  (name, [it]) =>
    name === "run" && (it as { name: string }).name === script;

/** A door at which something happens before each call of a kind, or after it. */
export function meeting<T extends object>(
  door: T,
  isMeant: Call,
  act: () => unknown,
  when: "before" | "after" = "before",
): T {
  return new Proxy(door, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (typeof value !== "function" || name === "close") return value;
      return async (...args: unknown[]) => {
        const isHere = isMeant(String(name), args);
        if (isHere && when === "before") await act();
        const reply = await value.apply(target, args);
        if (isHere && when === "after") await act();
        return reply;
      };
    },
  });
}

/** A function that stands still between two of its steps: `reached` when it does, until `release`. */
export function stop(): { readonly here: () => Promise<void>; readonly reached: Promise<void>; release(): void } {
  const reached = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  return {
    here: () => {
      reached.resolve();
      return released.promise;
    },
    reached: reached.promise,
    release: () => released.resolve(),
  };
}
