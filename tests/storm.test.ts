import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { Redis } from "ioredis";
import { Pool } from "undici";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { groupOf } from "../core/coupons/member.ts";
import { openRedis, type RedisDoor } from "../core/doors/redis.ts";
import { keys } from "../core/keys.ts";
import { client, eventually, sharedStack, unique } from "./setup/client.ts";

/** Crowds over HTTP against the whole stack: who cancels while others ask, who comes too late, and what one bad message does. */

let redis: RedisDoor;
let pool: Pool;
let sqs: SQSClient;
const stack = () => sharedStack();
beforeAll(() => {
  const { hostname, port } = new URL(stack().redis);
  redis = openRedis({ host: hostname, port: Number(port), tls: false });
  pool = new Pool(stack().api, { connections: 48 });
  sqs = new SQSClient({
    endpoint: stack().sqs,
    useQueueUrlAsEndpoint: false,
    region: "us-east-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
  });
});
afterAll(async () => {
  redis.close();
  sqs.destroy();
  await pool.close();
});

const shop = () => client(stack().api);

async function tokensOf(users: readonly string[]): Promise<Record<string, string>> {
  return shop().tokens(users);
}

interface Told {
  readonly status: number;
  readonly body: { couponId?: string; ticket?: number; code?: string; userId?: string };
}

async function post(path: string, token: string): Promise<Told> {
  const answer = await pool.request({ method: "POST", path, headers: { authorization: `Bearer ${token}` } });
  return { status: answer.statusCode, body: (await answer.body.json()) as Told["body"] };
}

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}-${i}`);

/** Works through a list, so many at once. */
async function each<T, R>(list: readonly T[], atOnce: number, work: (it: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const loop = async () => {
    while (next < list.length) {
      const at = next++;
      results[at] = await work(list[at] as T);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, loop));
  return results;
}

/** One moment of a campaign in Redis: how many hold a coupon, counted holder by holder, and what the tally and the free list leave. */
const MOMENT = `
local packed = redis.call('GET', KEYS[1])
local stock, issued, gate = struct.unpack('>I4I4B', packed)
local holders = 0
for bucket = 0, tonumber(ARGV[2]) - 1 do
  local all = redis.call('HGETALL', ARGV[1] .. bucket)
  for i = 2, #all, 2 do if #all[i] % 8 == 0 then holders = holders + 1 end end
end
return { stock, issued, redis.call('ZCARD', KEYS[2]), holders, gate }`;

async function moment(id: string, buckets: number) {
  const prefix = keys.holders(id, 0).slice(0, -1);
  const args = ["EVAL", MOMENT, 2, keys.tally(id), keys.free(id), prefix, buckets] as const;
  const [stock = 0, issued = 0, free = 0, holders = 0] = (await redis.command(...args)) as number[];
  return { remaining: stock - issued + free, holders, stock };
}

describe("a cancel storm", () => {
  it("1,000 holders cancel while 10,000 ask: at every sample what is left and who holds make the stock, and every freed ticket is issued again", async () => {
    const stock = 1_000;
    const id = await shop().campaign({ stock });
    const path = `/campaigns/${id}/coupons`;
    const holders = names(unique("h"), stock);
    const crowd = names(unique("x"), 10_000);
    const tokens = { ...(await tokensOf(holders)), ...(await tokensOf(crowd)) };
    const told = await each(holders, 48, (user) => post(path, tokens[user] ?? ""));
    expect(told.every(({ status }) => status === 201)).toBe(true);
    const buckets = Math.ceil(stock / 64);

    let running = true;
    const samples: { remaining: number; holders: number }[] = [];
    const sampler = (async () => {
      while (running) {
        const seen = await moment(id, buckets);
        samples.push(seen);
        expect(seen.remaining + seen.holders).toBe(stock);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    const issuedAgain: Told[] = [];
    const asking = each(crowd, 24, async (user) => {
      const answer = await post(path, tokens[user] ?? "");
      if (answer.status < 300) issuedAgain.push(answer);
      return answer;
    });
    const cancelled = await each(told, 24, async ({ body }) => {
      const answer = await post(`/coupons/${body.couponId}/cancel`, tokens[body.userId ?? ""] ?? "");
      expect(answer.status).toBe(200);
      return answer;
    });
    const asked = await asking;
    // Whoever came while nothing was free comes again, until the last freed ticket has somebody.
    const latecomers = names(unique("y"), stock);
    const more = await tokensOf(latecomers);
    await each(latecomers, 24, async (user) => {
      const answer = await post(path, more[user] ?? "");
      if (answer.status < 300) issuedAgain.push(answer);
    });
    running = false;
    await sampler;

    expect(cancelled).toHaveLength(stock);
    const words = Map.groupBy([...asked], ({ status, body }) => `${status} ${body.code ?? ""}`);
    console.log(
      `cancel storm: ${cancelled.length} cancelled, ${issuedAgain.length} issued again, ${samples.length} samples, ` +
        `remaining between ${Math.min(...samples.map((it) => it.remaining))} and ${Math.max(...samples.map((it) => it.remaining))}; ` +
        `the crowd of 10,000 was told ${[...words].map(([word, its]) => `${word.trim()} × ${its.length}`).join(", ")}`,
    );
    expect(issuedAgain.map(({ body }) => body.ticket ?? 0).sort((a, b) => a - b)).toEqual(
      Array.from({ length: stock }, (_, i) => i + 1),
    );
    const operator = await shop().token("operator", "operator");
    await eventually(
      () => shop().call("POST", `/ops/campaigns/${id}/verify`, { token: operator }),
      ({ body }) => body.consistent && body.pending === 0 && body.coupons === stock && body.holders === stock,
    );
  });
});

describe("a sold-out flood", () => {
  it("costs Redis as much at ten times the size, takes no memory, and a coupon given back is to be had within a second or so", async () => {
    const id = await shop().campaign({ stock: 200 });
    const path = `/campaigns/${id}/coupons`;
    const holders = names(unique("h"), 200);
    const held = await tokensOf(holders);
    const told = await each(holders, 48, (user) => post(path, held[user] ?? ""));
    const [first] = told;
    await eventually(
      () => redis.command("XLEN", keys.outbox(id)),
      (left) => left === 0,
    );
    const strangers = await tokensOf(names(unique("s"), 1_000));
    const list = Object.values(strangers);

    // Of this campaign alone: other tests use the same server meanwhile, and the server's own figures count them all.
    const watcher = new Redis(stack().redis);
    const monitor = await watcher.monitor();
    let calls = 0;
    monitor.on("monitor", (_, words: string[], source: string) => {
      if (source !== "lua" && /^evalsha$/i.test(words[0] ?? "") && words.some((word) => word.includes(`{${id}}`)))
        calls++;
    });
    onTestFinished(() => {
      monitor.disconnect();
      watcher.disconnect();
    });
    /** What was called before the server has answered this is counted. */
    const scripts = async () => {
      const mark = unique("mark");
      const seen = new Promise<void>((resolve) => {
        const look = (_: string, words: string[]) => {
          if (!words.includes(mark)) return;
          monitor.off("monitor", look);
          resolve();
        };
        monitor.on("monitor", look);
      });
      await redis.command("ECHO", mark);
      await seen;
      return calls;
    };
    const memory = async () => Number(await redis.command("MEMORY", "USAGE", keys.tally(id)));
    // Of this campaign: other tests use the same server meanwhile.
    const size = async () => ((await redis.command("KEYS", `*{${id}}*`)) as string[]).length;
    const flood = async (requests: number) => {
      const [callsBefore, startedAt] = [await scripts(), Date.now()];
      const answers = await each(
        Array.from({ length: requests }, (_, i) => list[i % list.length] ?? ""),
        48,
        (token) => post(path, token),
      );
      expect(new Set(answers.map(({ status, body }) => `${status} ${body.code}`))).toEqual(new Set(["409 sold-out"]));
      const seconds = (Date.now() - startedAt) / 1_000;
      return { calls: (await scripts()) - callsBefore, seconds };
    };
    await flood(100);
    const [sizeBefore, memoryBefore] = [await size(), await memory()];
    const small = await flood(1_000);
    const large = await flood(10_000);
    console.log(
      `sold-out flood: ${small.calls} script calls for 1,000 requests in ${small.seconds.toFixed(1)} s, ${large.calls} for 10,000 in ${large.seconds.toFixed(1)} s`,
    );
    // The count sees what reaches Redis: a holder who asks again always does.
    const seen = await scripts();
    expect((await post(path, held[holders[0] ?? ""] ?? "")).status).toBe(200);
    expect(await scripts()).toBeGreaterThan(seen);
    // One refresh a second, one stranger in a hundred, and what the stack's schedules ask of it in the meantime.
    expect(large.calls).toBeLessThan(0.03 * 10_000 + 10 * large.seconds);
    expect([await size(), await memory()]).toEqual([sizeBefore, memoryBefore]);

    const cancelledAt = Date.now();
    expect((await post(`/coupons/${first?.body.couponId}/cancel`, held[holders[0] ?? ""] ?? "")).status).toBe(200);
    let asks = 0;
    const winner = await eventually(
      () => post(path, list[asks++ % list.length] ?? ""),
      ({ status }) => status === 201,
    );
    console.log(
      `a coupon given back was issued again ${Date.now() - cancelledAt} ms later, to the ${asks}th who asked`,
    );
    expect(winner.body.ticket).toBe(first?.body.ticket);
  });
});

describe("a poison message", () => {
  it("in one of the groups holds up no other, and is classified without a person", async () => {
    const delays = async (poisoned: boolean) => {
      const id = await shop().campaign({ stock: 300 });
      const users = names(unique("p"), 300);
      const tokens = await tokensOf(users);
      if (poisoned) {
        const command = new SendMessageCommand({
          QueueUrl: stack().queues.Confirmations ?? "",
          MessageBody: `not a confirmation of ${id}`,
          MessageGroupId: groupOf(id, users[0] ?? ""),
          MessageDeduplicationId: unique("poison"),
        });
        await sqs.send(command);
      }
      await each(users, 16, (user) => post(`/campaigns/${id}/coupons`, tokens[user] ?? ""));
      const mine = await eventually(
        () => each(users, 16, (user) => shop().mine(id, tokens[user] ?? "")),
        (all) => all.every(({ body }) => body.items?.[0]?.state === "confirmed"),
      );
      const waits = mine.map(({ body }) => Date.parse(body.items[0].confirmedAt) - Date.parse(body.items[0].issuedAt));
      waits.sort((a, b) => a - b);
      return { id, p99: waits[Math.floor(0.99 * waits.length)] ?? 0, most: waits.at(-1) ?? 0 };
    };
    const clean = await delays(false);
    const poisoned = await delays(true);
    console.log(
      `confirm delay p99: ${clean.p99} ms without, ${poisoned.p99} ms with a poison message in one of the groups`,
    );
    // Held up would mean: until its message has been received twenty times, or its visibility timeout of 36 s is over.
    expect(poisoned.most).toBeLessThan(20_000);
    const operator = await shop().token("operator", "operator");
    const letter = await eventually(
      async () => {
        const { body } = await shop().call("GET", "/ops/dead-letters?limit=100", { token: operator });
        return body.items.find((it: { letterId: string; reason: string }) => it.reason === "not-a-confirmation");
      },
      (it) => it !== undefined,
    );
    expect(letter).toMatchObject({ decision: "kept", reason: "not-a-confirmation" });
  });
});
