import { setTimeout as sleep } from "node:timers/promises";
import { keys } from "../../core/keys.ts";
import { openClient } from "./client.ts";
import type { Measured } from "./load.ts";
import { commandStat, cpuSeconds, type Server } from "./server.ts";

const CAMPAIGN = "opening-day";
const LOCK = `${keys.tally(CAMPAIGN)}:lock`;
const LOCK_MS = 3_000;
/** Far sooner than the libraries that do this, which wait 50 to 200 ms. */
const RETRY_MS = 1;

/**
 * A lock that clients take around their look at the counter: `SET NX`, `GET`, `DECR`, `SADD`, `DEL`, one after the other,
 * because each step needs the one before. Figures are for one coupon; `commandMicros` is that of all commands, refused locks
 * included. Throws when the outcome is wrong.
 */
export async function measureLock(server: Server, clientCount: number, coupons: number): Promise<Measured> {
  const [holders, stock] = [keys.holders(CAMPAIGN, 0), keys.tally(CAMPAIGN)];
  await server.clear();
  await server.client.call("SET", stock, coupons);
  const clients = await Promise.all(Array.from({ length: clientCount }, () => openClient(server.port)));
  let next = 0;

  const shop = async (client: (typeof clients)[number], name: number) => {
    for (let user = next++; user < coupons; user = next++) {
      while ((await client.call("SET", LOCK, name, "NX", "PX", LOCK_MS)) !== "OK") await sleep(RETRY_MS);
      if (Number(await client.call("GET", stock)) > 0) {
        await client.call("DECR", stock);
        await client.call("SADD", holders, 100_000_000 + user);
      }
      await client.call("DEL", LOCK);
    }
  };

  try {
    await server.client.call("CONFIG", "RESETSTAT");
    const cpuBefore = await cpuSeconds(server);
    const startedAt = performance.now();
    await Promise.all(clients.map(shop));
    const seconds = (performance.now() - startedAt) / 1_000;
    const cpu = (await cpuSeconds(server)) - cpuBefore;
    const stats = await server.info("commandstats");
    const micros = ["set", "get", "decr", "sadd", "del"].map((name) => commandStat(stats, name).micros);
    const issued = Number(await server.client.call("SCARD", holders));
    if (issued !== coupons) throw new Error(`the lock issued ${issued} coupons, not ${coupons}`);
    return {
      perSecond: coupons / seconds,
      cpuMicros: (cpu * 1e6) / coupons,
      commandMicros: micros.reduce((sum, value) => sum + value, 0) / coupons,
    };
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}
