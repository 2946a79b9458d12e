import { type Ctx, StoreUnavailable } from "../context.ts";

export interface DoorHealth {
  readonly status: "up" | "down";
  readonly ms: number;
}

export interface Health {
  readonly status: "up" | "down";
  readonly redis: DoorHealth;
  readonly queue: DoorHealth;
  readonly ledger: DoorHealth;
}

/** Asks each store for something small, all at once, and takes the time. Each answers within its own door's limit. */
export async function health(
  ctx: Pick<Ctx, "redis" | "confirmations" | "table">,
  clockMs: () => number,
): Promise<Health> {
  const take = async (ask: () => Promise<unknown>): Promise<DoorHealth> => {
    const startedAt = clockMs();
    const ms = () => Math.round((clockMs() - startedAt) * 10) / 10;
    try {
      await ask();
      return { status: "up", ms: ms() };
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      return { status: "down", ms: ms() };
    }
  };
  const [redis, queue, ledger] = await Promise.all([
    take(() => ctx.redis.command("PING")),
    take(() => ctx.confirmations.depth()),
    take(() => ctx.table.get({ pk: "campaigns", sk: "-" })),
  ]);
  const up = [redis, queue, ledger].every((door) => door.status === "up");
  return { status: up ? "up" : "down", redis, queue, ledger };
}
