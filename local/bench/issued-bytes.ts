import { issueScript } from "../../core/coupons/issue.ts";
import { keys } from "../../core/keys.ts";
import { type BenchCampaign, loadIssue, putCampaign } from "./campaign.ts";
import { openClient } from "./client.ts";
import { encode } from "./resp.ts";
import { type Server, usedMemory } from "./server.ts";
import { holderValue, inBuckets, send } from "./stores.ts";

/** Two names of one length, so that their keys take the same memory. */
const [ISSUED, DIRECT] = ["issued", "direct"] as const;

export interface IssuedBytes {
  readonly buckets: number;
  /** Buckets that are the same, byte for byte and in memory, when written directly. */
  readonly equal: number;
  /** Bytes that a coupon takes in the outbox until it is confirmed. */
  readonly outboxBytes: number;
}

/** Issues one coupon to each user by `issue.lua`, and holds what it leaves against the same content written directly. */
export async function compareIssued(server: Server, ids: readonly string[]): Promise<IssuedBytes> {
  const { client, port } = server;
  await server.clear();
  const encoded = await loadIssue(client);
  const campaign = await putCampaign(client, { campaignId: ISSUED, stock: ids.length });
  const values = await issueAll(port, encoded(campaign, ids), campaign);
  await send(
    port,
    inBuckets(DIRECT, ids, campaign.buckets, (index) => values[index] ?? Buffer.alloc(0)),
  );

  let equal = 0;
  for (let bucket = 0; bucket < campaign.buckets; bucket++) {
    const pair = [keys.holders(ISSUED, bucket), keys.holders(DIRECT, bucket)];
    const [issued, direct] = await client.send(pair.map((key) => encode(["DUMP", key])));
    const [issuedBytes, directBytes] = await client.send(pair.map((key) => encode(["MEMORY", "USAGE", key])));
    if (typeof issued === "string" && issued === direct && issuedBytes === directBytes) equal++;
  }
  const before = await usedMemory(server);
  await client.call("DEL", keys.outbox(ISSUED));
  const outboxBytes = (before - (await usedMemory(server))) / ids.length;
  return { buckets: campaign.buckets, equal, outboxBytes };
}

/** @returns what the bucket must hold for each, told by the replies alone */
async function issueAll(port: number, commands: readonly string[], { base }: BenchCampaign): Promise<Buffer[]> {
  const client = await openClient(port);
  const replies = await client.send(commands);
  await client.close();
  return replies.map((raw) => {
    const reply = issueScript.reply(raw);
    if (reply.word !== "issued") throw new Error(`issue.lua replied ${reply.word}, not issued`);
    return holderValue(reply.ticket, Number.parseInt(reply.outboxId, 10) - base);
  });
}
