import type { Ctx } from "./context.ts";

/**
 * Ids that Redis should know, so that what it has lost is told from what never was, without the ledger. A set that is absent
 * means that Redis is blank: then nothing is known, and everything may be lost.
 */

/** No id; it keeps a set that has no other member from being absent. */
const NOBODY = "";

/** Every id that Redis knows. */
export async function knownIds(ctx: Pick<Ctx, "redis">, key: string): Promise<string[]> {
  const members = (await ctx.redis.command("SMEMBERS", key)) as string[];
  return members.filter((member) => member !== NOBODY);
}

/**
 * Makes sure that Redis knows every id. Does nothing unless the set is absent.
 * @param ids all of them; asked for only where they are needed
 * @returns how many were registered
 */
export async function registerAll(
  ctx: Pick<Ctx, "redis">,
  key: string,
  ids: () => AsyncIterable<string>,
): Promise<number> {
  if (Number(await ctx.redis.command("EXISTS", key)) === 1) return 0;
  const all: string[] = [];
  for await (const id of ids()) all.push(id);
  // In one command: a set that holds only some of them would make the others unknown.
  await ctx.redis.command("SADD", key, NOBODY, ...all);
  return all.length;
}

/** Whether this id surely never was: Redis knows ids, and not this one. */
export async function neverWas(ctx: Pick<Ctx, "redis">, key: string, id: string): Promise<boolean> {
  const [registered, known] = await Promise.all([
    ctx.redis.command("EXISTS", key),
    ctx.redis.command("SISMEMBER", key, id),
  ]);
  return Number(registered) === 1 && Number(known) === 0;
}
