import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { Agent, request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findK6 } from "../local/load/k6.ts";
import { ROOT } from "../local/stack.ts";
import { sharedStack } from "./setup/client.ts";

/**
 * The load scripts' verdicts, with a k6 that runs: they hold for what is true, and each is broken by a lie. Between k6 and the
 * stack stands a server that changes answers, or does something else than it was asked to.
 */

const k6 = findK6({ root: ROOT, env: process.env });
const folder = mkdtempSync(join(tmpdir(), "firstcome-k6-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

interface Asked {
  /** Method and path, such as `GET /rooms/a`. */
  readonly what: string;
  /** Asks the stack, once however often it is called; with another Idempotency-Key, if one is given, once more. */
  readonly forward: (key?: string) => Promise<Answer>;
}

/** What is done in place of forwarding a request; undefined where it is forwarded. */
type Lie = (asked: Asked) => Promise<Answer> | undefined;

const json = { "content-type": "application/json" };
const say = (status: number, body: object): Answer => ({ status, headers: json, body: JSON.stringify(body) });

const AWAY: Answer = {
  status: 503,
  headers: { ...json, "retry-after": "1" },
  body: JSON.stringify({ code: "unavailable", status: 503 }),
};

/** A lie about requests of one kind, told so often. Who finds nothing to lie about tells the truth, and lies the next time. */
function lie(on: RegExp, tell: (asked: Asked) => Promise<Answer | undefined>, times = 1): Lie {
  let left = times;
  return (asked) => {
    if (left === 0 || !on.test(asked.what)) return undefined;
    left--;
    return tell(asked).then((answer) => {
      if (!answer) left++;
      return answer ?? asked.forward();
    });
  };
}

/** Changes the document of a success. */
const changed =
  (change: (document: Record<string, unknown>) => object | undefined) =>
  async ({ forward }: Asked): Promise<Answer | undefined> => {
    const { status, body } = await forward();
    const other = status < 300 ? change(JSON.parse(body) as Record<string, unknown>) : undefined;
    return other && say(status, other);
  };

const madeUp = (ticket: number) => ({ couponId: `made-up.${ticket}`, ticket, nth: 1, state: "pending" });

/**
 * One user is told of a coupon that is not there, and another, who has one, that it is sold out: as many are told as there are.
 *
 * @param ticketOf the ticket of which the one is told, from that of the other
 */
function pairOfLies(ticketOf: (hidden: number) => number): Lie {
  let hidden: number | undefined;
  let isMadeUp = false;
  const burst = /^POST \/campaigns\/burst-\w+\/coupons$/;
  return ({ what, forward }) => {
    if (isMadeUp || !burst.test(what)) return undefined;
    return forward().then((answer) => {
      if (hidden === undefined && answer.status === 201) {
        hidden = (JSON.parse(answer.body) as { ticket: number }).ticket;
        return say(409, { code: "sold-out", status: 409 });
      }
      if (hidden === undefined || answer.status !== 409 || isMadeUp) return answer;
      isMadeUp = true;
      return say(201, madeUp(ticketOf(hidden)));
    });
  };
}

/** Each lie with what must be found out by it. */
function liesOf(): (readonly [Lie, string])[] {
  let isGivenBack = false;
  return [
    [
      lie(/^POST \/campaigns\/burst-\w+\/coupons$/, async ({ forward }) =>
        (await forward()).status === 409 ? say(201, madeUp(1)) : undefined,
      ),
      "burst: users told of a coupon that the campaign does not have",
    ],
    [
      lie(/^GET \/campaigns\/sustained-\w+\/coupons\/me$/, async () => say(200, { items: [] })),
      "sustained: coupons that were not what their users had been told",
    ],
    [
      lie(/^POST \/coupons\/.*sustained.*\/cancel$/, async () => say(200, { state: "cancelled" })),
      "sustained: coupons that no user was told of",
    ],
    [
      lie(
        /^POST \/ops\/campaigns\/burst-\w+\/verify$/,
        changed((it) => ({ ...it, consistent: false, lostTickets: 1 })),
        99,
      ),
      "burst: the verifier finds ledger, Redis and outbox consistent",
    ],
    [
      // What comes back in the midst of the flood is kept from it.
      ({ what }) => {
        if (/^POST \/coupons\/.*sold-out.*\/cancel$/.test(what)) isGivenBack = true;
        const isFlood = isGivenBack && /^POST \/campaigns\/sold-out-\w+\/coupons$/.test(what);
        return isFlood ? Promise.resolve(say(409, { code: "sold-out", status: 409 })) : undefined;
      },
      "sold-out: what was given back was issued again",
    ],
    [
      lie(
        /^POST \/campaigns\/one-user-plain-\w+\/coupons$/,
        changed((it) => ({ ...it, ticket: 9 })),
      ),
      "one-user: answers to the same ask that differ",
    ],
    [
      lie(
        /^GET \/campaigns\/one-user-keyed-\w+\/coupons\/me$/,
        changed(({ items }) => ({ items: (items as object[]).slice(1) })),
      ),
      "one-user: keyed users have exactly 3, or never came",
    ],
    [
      lie(
        /^POST \/rooms\/waiting-room-\w+\/tickets$/,
        changed((it) => (it.number === 3 ? { ...it, number: 1 } : undefined)),
      ),
      "waiting-room: numbers that were given twice or never: the sum of their squares is off",
    ],
    [
      lie(
        /^GET \/rooms\/waiting-room-\w+\/tickets\/me$/,
        changed((it) => (it.state === "waiting" ? { ...it, position: 5_000 } : undefined)),
      ),
      "waiting-room: places that got worse without a reason",
    ],
    [
      lie(
        /^GET \/rooms\/waiting-room-\w+$/,
        changed((it) => ({ ...it, active: 5_000 })),
      ),
      "waiting-room: moments with more people inside than the room takes",
    ],
    [
      lie(
        /^GET \/rooms\/waiting-room-\w+$/,
        changed((it) => (Number(it.admitted) > 1 ? { ...it, admitted: 5_000 } : undefined)),
      ),
      "waiting-room: times in which more were admitted than the rate",
    ],
    [
      lie(/^POST \/campaigns\/waiting-room-\w+\/coupons$/, async ({ forward }) =>
        (await forward()).status === 403 ? say(201, madeUp(2)) : undefined,
      ),
      "waiting-room: nobody gets a coupon without a pass",
    ],
    [
      // After the seed, which nothing is compared with before it is listed.
      lie(/^POST \/events$/, async ({ forward }) => {
        await forward("once-more");
        return forward();
      }),
      "rankings: views that were counted more than once, or never sent",
    ],
    [
      lie(/^GET \/boards\/[\w-]+\/top\?.*limit=10$/, async () => say(500, { code: "internal", status: 500 })),
      "rankings: answers outside the contract (5xx other than a 503 with Retry-After, …)",
    ],
    [
      lie(
        /^GET \/boards\/[\w-]+\/top\?.*limit=100&cursor/,
        changed(({ items, ...it }) => ({ ...it, items: [...(items as object[])].reverse() })),
      ),
      "rankings: places or scores that do not fit the others of their generation",
    ],
  ];
}

describe.skipIf(k6 === undefined)("the verdict of a load script", () => {
  const agent = new Agent({ connections: 64 });
  let lies: readonly Lie[] = [];
  let server: Server;
  beforeAll(async () => {
    const { api } = sharedStack();
    server = createServer(async (incoming, outgoing) => {
      const { method = "GET", url = "/", headers } = incoming;
      const body = await text(incoming);
      const send = async (key?: string): Promise<Answer> => {
        const { host: _, connection: __, ...kept } = headers;
        const sent = { ...kept, ...(key === undefined ? {} : { "idempotency-key": key }) };
        const answer = await request(api + url, {
          method: method as "GET",
          headers: sent,
          body: body || null,
          dispatcher: agent,
        });
        const names = ["content-type", "retry-after"].filter((name) => answer.headers[name] !== undefined);
        const shown = Object.fromEntries(names.map((name) => [name, String(answer.headers[name])]));
        return { status: answer.statusCode, headers: shown, body: await answer.body.text() };
      };
      let first: Promise<Answer> | undefined;
      const forward = (key?: string) => {
        if (key !== undefined) return send(key);
        first ??= send();
        return first;
      };
      const asked = { what: `${method} ${url}`, forward };
      let told: Promise<Answer> | undefined;
      for (const tell of lies) told ??= tell(asked);
      const answer = await (told ?? forward());
      outgoing.writeHead(answer.status, answer.headers).end(answer.body);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
  });
  afterAll(async () => {
    server.close();
    await agent.close();
  });

  async function run(script: string, settings: Record<string, string> = {}) {
    const summary = join(folder, `${script}.json`);
    const { port } = server.address() as AddressInfo;
    const all = { API: `http://127.0.0.1:${port}`, RATE: "30", DURATION: "3s", SUMMARY: summary, ...settings };
    const words = Object.entries(all).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
    const child = spawn(
      k6 ?? "",
      ["run", "--no-usage-report", "--address", "", "--quiet", ...words, `k6/${script}.js`],
      { cwd: ROOT },
    );
    const [printed, said] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
    return { status: child.exitCode, printed, said, summary };
  }

  interface Summary {
    readonly integrity: { readonly violations: string[]; readonly unjudged: string[] };
    readonly load: { readonly faults: string[] };
  }
  const read = (file: string) => JSON.parse(readFileSync(file, "utf8")) as Summary;

  test("holds while everything at once is asked of a stack that tells the truth", async () => {
    lies = [];
    const { printed, summary } = await run("everything");
    expect(read(summary).integrity.violations).toEqual([]);
    expect(printed.trimEnd()).toMatch(/\nintegrity: holds$/);
  });

  test("is broken by every lie, each of which it names, and k6 ends with 99", async () => {
    const told = liesOf();
    const away = lie(/^POST \/coupons\/.*\/use$/, async () => AWAY, 9_999);
    lies = [away, ...told.map(([tell]) => tell)];
    const { status, printed, summary } = await run("everything");
    const { integrity, load } = read(summary);
    const found = integrity.violations.map((violation) => violation.replace(/^untrue: | \(\d+\)$/g, ""));
    for (const [, meaning] of told) expect(found).toContain(meaning);
    expect(load.faults).toContain('sustained: 100 % of "use" failed');
    expect(status).toBe(99);
    expect(printed.trimEnd()).toMatch(/\nintegrity: VIOLATED: .*$/);
  });

  test.each([
    [
      "another ticket",
      (hidden: number) => hidden + 1,
      "burst: users told of other tickets than the campaign has given",
    ],
    [
      "the same ticket",
      (hidden: number) => hidden,
      "burst: users whose coupon is another than they were told of, or none",
    ],
  ])("is broken by two lies that make up for each other, with %s", async (_, ticketOf, meaning) => {
    lies = [pairOfLies(ticketOf)];
    const { status, summary } = await run("burst", { REPEATS: "0" });
    const found = read(summary).integrity.violations.map((violation) => violation.replace(/ \(\d+\)$/, ""));
    expect(found).toContain(meaning);
    expect(status).toBe(99);
  });

  test("is not broken by a 503 now and then, which is documented", async () => {
    const once = (on: RegExp) => lie(on, async () => AWAY);
    lies = [
      once(/^GET \/boards\/[\w-]+\/top\?.*limit=10$/),
      once(/^GET \/boards\/[\w-]+\/products\/[\w.-]+1\?/),
      once(/^GET \/campaigns\/one-user-plain-\w+\/coupons\/me$/),
      once(/^GET \/campaigns\/burst-\w+\/coupons\/me$/),
      once(/^GET \/campaigns\/burst-\w+$/),
      lie(
        /^GET \/boards\/[\w-]+\/top\?.*limit=100$/,
        changed((it) => ({ ...it, source: "snapshot" })),
        20,
      ),
    ];
    const { printed, summary } = await run("everything");
    expect(read(summary).integrity).toEqual({ holds: true, violations: [], unjudged: [] });
    expect(printed.trimEnd()).toMatch(/\nintegrity: holds$/);
  });

  test("is none, and k6 ends with 99, where what is asked in the end is not answered", async () => {
    const always = (on: RegExp, tell: (asked: Asked) => Promise<Answer | undefined>) => lie(on, tell, 99_999);
    lies = [
      always(
        /^POST \/ops\/campaigns\/burst-\w+\/verify$/,
        changed((it) => ({ ...it, pending: 3 })),
      ),
      always(/^GET \/campaigns\/one-user-plain-\w+\/coupons\/me$/, async () => AWAY),
      always(
        /^GET \/boards\/[\w-]+\/top\?.*limit=100$/,
        changed((it) => ({ ...it, source: "snapshot" })),
      ),
    ];
    const { status, printed, summary } = await run("everything", { SETTLE: "3" });
    const { violations, unjudged } = read(summary).integrity;
    expect(violations).toEqual([]);
    expect(unjudged).toContain("burst: coupons: 3 still on their way into the ledger");
    expect(unjudged).toContain("one-user: what plain users have: it could not be read");
    expect(unjudged).toContain("rankings: the last generation: there was none that is live");
    expect(status).toBe(99);
    expect(printed.trimEnd()).toMatch(/\nintegrity: NOT JUDGED: .*$/);
  });

  test.each([
    ["https://192.0.2.1:3000", "is not on this machine. If you may put load on it, say so"],
    ["http://127.0.0.1:1", "did not answer 200"],
  ])("is not asked for of %s, and no load is put on it", async (API, why) => {
    const { status, said, printed } = await run("sustained", { API });
    expect(said).toContain(why);
    expect(printed).not.toContain("integrity");
    expect(status).not.toBe(0);
  });
});
