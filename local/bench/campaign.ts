import { createHash } from "node:crypto";
import { issueCall, issueScript } from "../../core/coupons/issue.ts";
import { bucketCount, keyDigest } from "../../core/coupons/member.ts";
import { armCampaign } from "../../core/coupons/scripts.ts";
import { keys } from "../../core/keys.ts";
import { valuesOf } from "../../core/lua.ts";
import { memberOf } from "../../core/member.ts";
import type { Client } from "./client.ts";
import { encode } from "./resp.ts";

const DAY_MS = 86_400_000;
/** Sixteen characters, as every filling's name has. */
const FILLING = "bench-campaign-1";

export interface BenchCampaign {
  readonly campaignId: string;
  readonly stock: number;
  readonly perUser: number;
  readonly buckets: number;
  readonly base: number;
}

export interface CampaignWish {
  readonly campaignId: string;
  readonly stock: number;
  /** From now, in milliseconds; a minute ago and a day ahead unless said. */
  readonly opensInMs?: number;
  readonly closesInMs?: number;
  /** Leaves it as it is between creation and arming. */
  readonly unarmed?: boolean;
}

/** Puts a campaign into Redis by the script that does so in earnest. */
export async function putCampaign(client: Client, wish: CampaignWish): Promise<BenchCampaign> {
  const { campaignId, stock, opensInMs = -60_000, closesInMs = DAY_MS, unarmed = false } = wish;
  const now = Date.now();
  const campaign = { campaignId, stock, perUser: 1, buckets: bucketCount(stock), base: now - DAY_MS };
  const scriptKeys = { tally: keys.tally(campaignId), about: keys.about(campaignId), outbox: keys.outbox(campaignId) };
  const args = {
    stock,
    opensAt: now + opensInMs,
    closesAt: now + closesInMs,
    base: campaign.base,
    filling: FILLING,
    epoch: 0,
    definition: JSON.stringify({ ...campaign, name: `${stock} coupons` }),
  };
  await client.run(armCampaign, scriptKeys, { step: "create", ...args });
  if (!unarmed) await client.run(armCampaign, scriptKeys, { step: "arm", ...args });
  await client.call("SADD", keys.campaigns, campaignId);
  return campaign;
}

const FENCE = /local node = string\.sub\(packed, 50, 89\)\nif not string\.find\(.*?\nend\n/s;

/** The deciding script without its look at the server that it runs on. */
export function unfencedIssue(): string {
  const text = issueScript.text.replace(FENCE, "");
  if (text === issueScript.text) throw new Error("issue.lua has no fence where the bench looks for it");
  return text;
}

/** Loads the deciding script, or a variant of it. @returns an encoder of its calls, with the keys and arguments that the issuing function sends */
export async function loadIssue(
  client: Client,
  text = issueScript.text,
): Promise<(campaign: BenchCampaign, userIds: readonly string[], idempotencyKey?: string) => string[]> {
  const sha = createHash("sha1").update(text).digest("hex");
  await client.call("SCRIPT", "LOAD", text);
  return (campaign, userIds, idempotencyKey) => {
    const key = keyDigest(idempotencyKey);
    return userIds.map((userId) => {
      const call = issueCall(campaign, userId, memberOf(userId), key);
      return encode(["EVALSHA", sha, ...valuesOf(issueScript, call.keys, call.args)]);
    });
  };
}
