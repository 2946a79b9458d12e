import { createHash } from "node:crypto";
import { keys } from "../../core/keys.ts";
import { loadIssue, putCampaign, unfencedIssue } from "./campaign.ts";
import type { Client } from "./client.ts";
import { type Load, packLoad, type Shape } from "./load.ts";
import { encode } from "./resp.ts";
import bareText from "./set-and-counter.lua";
import checkedText from "./set-and-counter-checked.lua";
import { idsOf } from "./users.ts";

/** Ways to decide who comes first, each giving a coupon to every one of so many users with nine-digit ids. */
export interface Contestant {
  /** Puts the campaign into an empty Redis. */
  prepare(client: Client, stock: number): Promise<unknown>;
  load(client: Client, shape: Shape, stock: number): Promise<Load>;
}

const CAMPAIGN = "opening-day";
/** Names as long as the real ones, under the same hash tag. */
const HOLDERS = keys.holders(CAMPAIGN, 0);
const COUNTER = keys.tally(CAMPAIGN);

export async function loadScript(client: Client, text: string): Promise<string> {
  await client.call("SCRIPT", "LOAD", text);
  return createHash("sha1").update(text).digest("hex");
}

function deciding(text?: () => string): Contestant {
  return {
    prepare: (client, stock) => putCampaign(client, { campaignId: CAMPAIGN, stock }),
    async load(client, shape, stock) {
      const encoded = await loadIssue(client, text?.());
      const campaign = await putCampaign(client, { campaignId: CAMPAIGN, stock });
      const commands = encoded(campaign, idsOf("numeric", stock));
      return packLoad(shape, commands, "evalsha", "*6\r\n$6\r\nissued\r\n");
    },
  };
}

function script(text: string, expected: string, prepare: Contestant["prepare"]): Contestant {
  return {
    prepare,
    async load(client, shape, stock) {
      const sha = await loadScript(client, text);
      const commands = idsOf("numeric", stock).map((id) => encode(["EVALSHA", sha, 2, HOLDERS, COUNTER, id]));
      return packLoad(shape, commands, "evalsha", expected);
    },
  };
}

const checked = script(checkedText, "*2\r\n$6\r\nissued\r\n:", (client, stock) =>
  client.call(
    ...["HSET", COUNTER, "stock", stock, "issued", 0, "paused", 0],
    ...["opensAt", Date.now() - 60_000, "closesAt", Date.now() + 86_400_000],
  ),
);

const bare = script(bareText, "$6\r\nissued\r\n", (client, stock) => client.call("SET", COUNTER, stock));

const sadd: Contestant = {
  prepare: async () => {},
  load: async (_, shape, stock) => {
    const commands = idsOf("numeric", stock).map((id) => encode(["SADD", HOLDERS, id]));
    return packLoad(shape, commands, "sadd", ":1\r\n");
  },
};

export const ISSUE = "issue.lua";
export const UNFENCED = "issue.lua without fence";
export const CHECKED = "set + counter, same checks";
export const BARE = "set + counter";
export const SADD = "SADD alone";

export const contestants = {
  [ISSUE]: deciding(),
  [UNFENCED]: deciding(unfencedIssue),
  [CHECKED]: checked,
  [BARE]: bare,
  [SADD]: sadd,
} as const;
