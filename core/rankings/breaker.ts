import { randomBytes, randomInt } from "node:crypto";
import { type Ctx, StoreUnavailable } from "../context.ts";
import type { Item } from "../doors/dynamodb.ts";
import { limits } from "../limits.ts";
import type { Refusal } from "../words.ts";
import { BREAKER_MODES, type BreakerMode } from "./states.ts";

/**
 * A circuit breaker before Redis that all containers share. Each counts failures in its memory; only transitions are written, to the
 * ledger: Redis must not keep the state of its own breaker. While it is open, one container at a time asks Redis again, elected by a
 * conditional write. The operator's switch overrides it. Where the ledger is out of reach too, each container goes by what it has seen
 * itself.
 */

export interface BreakerState {
  readonly state: "closed" | "open";
  readonly mode: BreakerMode;
  /** Since when it is in this state, in milliseconds since 1970. */
  readonly since: number;
  /** Raised by each transition and each change of the mode. */
  readonly version: number;
}

type BreakerCtx = Pick<Ctx, "table" | "now" | "log">;

const STATE = { pk: "breaker", sk: "redis" } as const;
const PROBE = { pk: "breaker", sk: "probe" } as const;
const CLOSED: BreakerState = { state: "closed", mode: "auto", since: 0, version: 0 };

const stateOf = (item: Item): BreakerState => ({
  state: item.state === "open" ? "open" : "closed",
  mode: BREAKER_MODES.find((mode) => mode === item.mode) ?? "auto",
  since: Number(item.since),
  version: Number(item.version),
});

export const breakers = {
  get: async (ctx: Pick<Ctx, "table">): Promise<BreakerState> => {
    const item = await ctx.table.get(STATE);
    return item ? stateOf(item) : CLOSED;
  },

  put: (ctx: Pick<Ctx, "table">, before: BreakerState, next: Omit<BreakerState, "version">): Promise<boolean> =>
    ctx.table.put(
      STATE,
      { ...next, version: before.version + 1 },
      before.version === 0 ? { absent: true } : { equals: { version: before.version } },
    ),

  /** Takes the turn to ask Redis, unless somebody else has it. @returns whether it was taken */
  takeTurn: (ctx: Pick<Ctx, "table" | "now">, container: string): Promise<boolean> =>
    ctx.table.put(
      PROBE,
      { container, until: ctx.now() + limits.breakerProbeMs },
      // One at a time: the turn before must have ended, by itself or with its time.
      { absent: true, below: { until: ctx.now() } },
    ),

  /** Ends the turn; the next one comes after a while. */
  endTurn: (ctx: Pick<Ctx, "table" | "now">, container: string): Promise<boolean> =>
    ctx.table.put(PROBE, { container, until: ctx.now() + limits.breakerProbeEveryMs }, { equals: { container } }),
};

/** Sets the operator's switch. */
export async function setBreaker(
  ctx: BreakerCtx,
  mode: BreakerMode,
): Promise<{ readonly word: "changed"; readonly breaker: BreakerState } | Refusal> {
  for (let tries = 0; tries < 5; tries++) {
    const before = await breakers.get(ctx);
    const next = { ...before, mode };
    if (!(await breakers.put(ctx, before, next))) continue;
    ctx.log("breaker-mode", { mode });
    return { word: "changed", breaker: { ...next, version: before.version + 1 } };
  }
  return { word: "conflict", detail: "The breaker moved meanwhile. Try again." };
}

export interface Breaker {
  /**
   * Asks Redis, if the breaker lets through. While it is open the question is a probe: it must be put to Redis, whatever is known.
   * @returns undefined where it did not, or Redis failed: then something else must answer
   */
  ask<T>(ctx: BreakerCtx, question: (isProbe: boolean) => Promise<T>): Promise<{ readonly answer: T } | undefined>;
}

/** Makes one container's breaker. */
export function breaker(): Breaker {
  const container = randomBytes(6).toString("hex");
  let known = CLOSED;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | undefined;
  let failures: number[] = [];
  /** When this container may ask for the turn again: not each question of a crowd is to be a write. */
  let nextProbeAt = Number.NEGATIVE_INFINITY;
  /** What this container goes by where the ledger is out of reach. */
  let alone: { readonly state: "closed" | "open"; readonly since: number } | undefined;

  /** Looks at the shared state now and then. Only the first question waits for it; later ones go by what is known. */
  const look = async (ctx: BreakerCtx): Promise<void> => {
    const everyMs = known.state === "open" ? limits.breakerProbeEveryMs / 2 : limits.breakerLookMs;
    if (looking || ctx.now() - lookedAt < everyMs) return;
    const isFirst = lookedAt === Number.NEGATIVE_INFINITY;
    looking = breakers
      .get(ctx)
      .then((state) => {
        if (state.version >= known.version) {
          if (state.state === "closed" && known.state === "open") failures = [];
          known = state;
        }
        alone = undefined;
      })
      .catch((error: unknown) => {
        if (!(error instanceof StoreUnavailable)) ctx.log("bug", { error: String(error) });
      })
      .finally(() => {
        lookedAt = ctx.now();
        looking = undefined;
      });
    if (isFirst) await looking;
  };

  const move = async (ctx: BreakerCtx, state: "closed" | "open", reason: string): Promise<void> => {
    try {
      const before = await breakers.get(ctx);
      known = before;
      if (before.state === state) return;
      const next = { ...before, state, since: ctx.now() };
      if (await breakers.put(ctx, before, next)) {
        known = { ...next, version: before.version + 1 };
        ctx.log("breaker", {
          state,
          reason,
          container,
          openMs: state === "closed" ? ctx.now() - before.since : undefined,
        });
      } else {
        known = await breakers.get(ctx);
      }
      alone = undefined;
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      alone = { state, since: ctx.now() };
    } finally {
      lookedAt = ctx.now();
    }
  };

  const attempt = async <T>(
    ctx: BreakerCtx,
    question: () => Promise<T>,
  ): Promise<{ readonly answer: T } | { readonly reason: string }> => {
    try {
      return { answer: await question() };
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || error.store !== "redis") throw error;
      failures = [...failures.filter((at) => ctx.now() - at < limits.breakerWindowMs), ctx.now()];
      return { reason: error.message };
    }
  };

  /** One question while it is open, if this container's turn comes. */
  const probe = async <T>(
    ctx: BreakerCtx,
    question: (isProbe: boolean) => Promise<T>,
  ): Promise<{ answer: T } | undefined> => {
    if (ctx.now() < nextProbeAt) return undefined;
    nextProbeAt = ctx.now() + limits.breakerProbeEveryMs + randomInt(limits.breakerProbeEveryMs);
    const isMine = await breakers.takeTurn(ctx, container).catch((error: unknown) => {
      if (!(error instanceof StoreUnavailable)) throw error;
      // Without the ledger there are no turns: each container asks for itself.
      return undefined;
    });
    if (isMine === false) return undefined;
    ctx.log("breaker-probe", { container });
    const attempted = await attempt(ctx, () => question(true));
    if ("answer" in attempted) {
      failures = [];
      await move(ctx, "closed", "a probe was answered");
    }
    if (isMine) {
      await breakers.endTurn(ctx, container).catch((error: unknown) => {
        if (!(error instanceof StoreUnavailable)) throw error;
      });
    }
    return "answer" in attempted ? attempted : undefined;
  };

  return {
    async ask(ctx, question) {
      await look(ctx);
      if (known.mode === "snapshot") return undefined;
      const isForced = known.mode === "live";
      if (!isForced && (alone?.state ?? known.state) === "open") return probe(ctx, question);
      const attempted = await attempt(ctx, () => question(false));
      if ("answer" in attempted) return attempted;
      if (!isForced && failures.length >= limits.breakerFailures) await move(ctx, "open", attempted.reason);
      return undefined;
    },
  };
}
