import type { Ctx } from "../context.ts";
import { keys } from "../keys.ts";
import { limits } from "../limits.ts";
import type { Generation } from "./generation.ts";
import type { Window } from "./windows.ts";

/** The order of a board's products every five minutes, so that a generation can say who has risen against an hour before. */

const slotAt = (ms: number): number => Math.floor(ms / limits.historyEveryMs);
const KEPT_SLOTS = Math.ceil((2 * limits.changeAgainstMs) / limits.historyEveryMs);

/** What one publisher remembers of it, so that an hour-old order is not read again for each generation. */
export interface History {
  /** Products in their order an hour before; undefined where nothing is known of then. */
  before(ctx: Pick<Ctx, "redis" | "now">, boardId: string, window: Window): Promise<readonly string[] | undefined>;
  note(ctx: Pick<Ctx, "redis">, boardId: string, window: Window, generation: Generation): Promise<void>;
}

export function history(): History {
  const remembered = new Map<string, { slot: number; list: Promise<readonly string[] | undefined> }>();
  const noted = new Map<string, number>();

  return {
    before(ctx, boardId, window) {
      const name = `${boardId} ${window}`;
      const slot = slotAt(ctx.now() - limits.changeAgainstMs);
      const known = remembered.get(name);
      if (known?.slot === slot) return known.list;
      const list = read(ctx, keys.history(boardId, window), slot);
      remembered.set(name, { slot, list });
      list.catch(() => remembered.delete(name));
      return list;
    },

    async note(ctx, boardId, window, { publishedAt, list }) {
      const name = `${boardId} ${window}`;
      const slot = slotAt(publishedAt);
      // A board that has just been made lists nothing yet: against that everything would be new an hour later.
      if (noted.get(name) === slot || list.length === 0) return;
      const key = keys.history(boardId, window);
      const products = JSON.stringify(list.map(({ productId }) => productId));
      // The first one of each five minutes stays.
      await ctx.redis.commands([
        ["HSETNX", key, slot, products],
        ["PEXPIRE", key, 2 * limits.changeAgainstMs],
      ]);
      const slots = ((await ctx.redis.command("HKEYS", key)) as string[]).map(Number);
      const old = slots.filter((it) => it < slot - KEPT_SLOTS);
      if (old.length > 0) await ctx.redis.command("HDEL", key, ...old);
      noted.set(name, slot);
    },
  };
}

async function read(ctx: Pick<Ctx, "redis">, key: string, slot: number): Promise<readonly string[] | undefined> {
  const slots = ((await ctx.redis.command("HKEYS", key)) as string[]).map(Number);
  const before = slots.filter((it) => it <= slot);
  if (before.length === 0) return undefined;
  const text = (await ctx.redis.command("HGET", key, Math.max(...before))) as string | null;
  return text === null ? undefined : (JSON.parse(text) as string[]);
}
