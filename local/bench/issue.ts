import { createHash } from "node:crypto";
import { keys } from "../../core/keys.ts";
import { loadIssue, putCampaign } from "./campaign.ts";
import { type Load, type Measured, measure, packLoad, type Shape } from "./load.ts";
import { lockRound } from "./lock.ts";
import { losers } from "./losers.ts";
import { encode } from "./resp.ts";
import { alternate, medianOf, ratioOf } from "./rounds.ts";
import type { Bench, Section } from "./section.ts";
import type { Server } from "./server.ts";
import checkedText from "./set-and-counter-checked.lua";
import bareText from "./set-and-counter.lua";
import { table, times, whole } from "./table.ts";
import { users } from "./users.ts";

const ISSUE = "issue.lua";
const BARE = "set + counter";
const CHECKED = "set + counter, same checks";
const SADD = "SADD alone";
const LOCK = "SET NX lock, 8 clients";
const NAMES = [ISSUE, CHECKED, BARE, SADD] as const;

type Name = (typeof NAMES)[number];

/** What a contestant needs before its load, and its load. */
interface Contestant {
  prepare(server: Server): Promise<unknown>;
  pack(server: Server, shape: Shape, count: number): Promise<Load>;
}

async function loadScript(server: Server, text: string): Promise<string> {
  await server.client.call("SCRIPT", "LOAD", text);
  return createHash("sha1").update(text).digest("hex");
}

const CAMPAIGN = "opening-day";
/** The same lengths and hash tag as the real keys. */
const HOLDERS = keys.holders(CAMPAIGN, 0);
const COUNTER = keys.tally(CAMPAIGN);

const contestants: Record<Name, Contestant> = {
  [ISSUE]: {
    prepare: async () => {},
    async pack({ client }, shape, count) {
      const encoded = await loadIssue(client);
      const campaign = await putCampaign(client, { campaignId: CAMPAIGN, stock: count });
      return packLoad(shape, count, "evalsha", "*5\r\n$6\r\nissued\r\n:1\r\n", (index) =>
        encoded(campaign, users.numeric(index)),
      );
    },
  },
  [CHECKED]: {
    prepare: ({ client }) =>
      client.call(
        ...["HSET", COUNTER, "stock", 10_000_000, "issued", 0, "paused", 0],
        ...["opensAt", Date.now() - 60_000, "closesAt", Date.now() + 86_400_000],
      ),
    async pack(server, shape, count) {
      const sha = await loadScript(server, checkedText);
      return packLoad(shape, count, "evalsha", "*2\r\n$6\r\nissued\r\n:", (index) =>
        encode(["EVALSHA", sha, 2, HOLDERS, COUNTER, users.numeric(index)]),
      );
    },
  },
  [BARE]: {
    prepare: ({ client }) => client.call("SET", COUNTER, 10_000_000),
    async pack(server, shape, count) {
      const sha = await loadScript(server, bareText);
      return packLoad(shape, count, "evalsha", "$6\r\nissued\r\n", (index) =>
        encode(["EVALSHA", sha, 2, HOLDERS, COUNTER, users.numeric(index)]),
      );
    },
  },
  [SADD]: {
    prepare: async () => {},
    pack: async (_, shape, count) =>
      packLoad(shape, count, "sadd", ":1\r\n", (index) => encode(["SADD", HOLDERS, users.numeric(index)])),
  },
};

async function race(bench: Bench, title: string, shape: Shape, count: number, rounds: number) {
  const { server, progress } = bench;
  return alternate(NAMES, rounds, async (name, round): Promise<Measured> => {
    const label = `${title}: round ${round + 1} of ${rounds}, ${name}`;
    return progress.step(label, async () => {
      await server.clear();
      const contestant = contestants[name];
      const load = await contestant.pack(server, shape, count);
      await contestant.prepare(server);
      return measure(server, load, shape);
    });
  });
}
