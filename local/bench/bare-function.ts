import { createHash } from "node:crypto";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { Redis } from "ioredis";
import type { CampaignAbout } from "../../core/coupons/campaign.ts";
import { issueCall, issueScript } from "../../core/coupons/issue.ts";
import { groupOf } from "../../core/coupons/member.ts";
import { keys } from "../../core/keys.ts";
import { valuesOf } from "../../core/lua.ts";
import { memberOf } from "../../core/member.ts";
import type { ProxyEvent } from "../../functions/http/request.ts";
import { settings } from "../../functions/stores/settings.ts";

/**
 * The least that a function could do to answer the same: the same call to Redis, the same message to SQS, the same JSON. It
 * checks nothing, bounds no wait, retries nothing, signs no coupon and mends nothing.
 */

const { host, port } = settings.redis();
const redis = new Redis({ host, port });
const queue = settings.confirmations();
const sqs = new SQSClient({ endpoint: queue.endpoint ?? "", useQueueUrlAsEndpoint: false });
const sha = createHash("sha1").update(issueScript.text).digest("hex");
const memory = new Map<string, CampaignAbout>();

async function read(campaignId: string): Promise<CampaignAbout> {
  const about = JSON.parse((await redis.get(keys.about(campaignId))) ?? "") as CampaignAbout;
  memory.set(campaignId, about);
  return about;
}

export async function handler(event: ProxyEvent) {
  const userId = String(event.requestContext.authorizer?.jwt?.claims.sub);
  const campaignId = event.pathParameters?.campaignId ?? "";
  const about = memory.get(campaignId) ?? (await read(campaignId));
  const call = issueCall(about, userId, memberOf(userId), Buffer.alloc(0));
  const reply = issueScript.reply(await redis.call("EVALSHA", sha, ...valuesOf(issueScript, call.keys, call.args)));
  if (reply.word !== "issued" && reply.word !== "replayed") {
    return answer(409, { code: reply.word, detail: `Campaign "${campaignId}" has no coupon left.` });
  }

  const { ticket, nth, etaMs } = reply;
  const coupon = { couponId: `${campaignId}.${ticket}.AAAAAAAAAAAAAAAAAAAAAA`, campaignId, userId, ticket, nth };
  const issuedAt = reply.word === "replayed" ? reply.issuedAt : Number.parseInt(reply.outboxId, 10);
  if (reply.word === "issued") {
    await sqs.send(
      new SendMessageCommand({
        QueueUrl: queue.url,
        MessageBody: JSON.stringify({ v: 1, ...coupon, issuedAt, outboxId: reply.outboxId }),
        MessageGroupId: groupOf(campaignId, userId),
        MessageDeduplicationId: `${campaignId}.${ticket}.${issuedAt}`,
      }),
    );
  }
  const times = { issuedAt: new Date(issuedAt).toISOString(), etaMs };
  return answer(reply.word === "issued" ? 201 : 200, { ...coupon, state: "pending", ...times });
}

function answer(statusCode: number, body: object) {
  return { statusCode, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}
