import { createHmac, timingSafeEqual } from "node:crypto";
import * as z from "zod/mini";
import type { Ctx } from "../context.ts";
import type { Refusal } from "../words.ts";
import { type CampaignView, moveStock } from "./campaign.ts";

/**
 * Stock moves between allotments by transfers, in two halves: it goes from one, which gives a signed receipt, and comes to the
 * other, which takes a receipt once. Whatever is cut between the two is in neither: the sum over all allotments is never above
 * the total.
 */

type TransferCtx = Pick<Ctx, "redis" | "table" | "now" | "couponSecret">;

export interface Transfer {
  readonly transferId: string;
  readonly from: string;
  readonly to: string;
  readonly count: number;
}

const transferSchema = z.tuple([z.string(), z.string(), z.string(), z.int().check(z.positive())]);

function seal(payload: string, secret: string): Buffer {
  return createHmac("sha256", secret).update(`transfer ${payload}`).digest();
}

/** The proof that stock went. Regions that move stock between them share the coupon secret. */
function receiptOf({ transferId, from, to, count }: Transfer, secret: string): string {
  const payload = Buffer.from(JSON.stringify([transferId, from, to, count])).toString("base64url");
  return `${payload}.${seal(payload, secret).toString("base64url")}`;
}

/** @returns undefined for what is no receipt of ours */
function readReceipt(receipt: string, secret: string): Transfer | undefined {
  const [payload = "", signature = ""] = receipt.split(".");
  const given = Buffer.from(signature, "base64url");
  const wanted = seal(payload, secret);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return undefined;
  const parsed = z.safeParse(transferSchema, JSON.parse(Buffer.from(payload, "base64url").toString("utf8")));
  if (!parsed.success) return undefined;
  const [transferId, from, to, count] = parsed.data;
  return { transferId, from, to, count };
}

/**
 * The first half: takes tickets that are not issued yet from a campaign's stock. Repeating it gives the same receipt.
 * @returns `conflict` when so many are not left
 */
export async function sendStock(
  ctx: TransferCtx,
  transfer: Transfer,
): Promise<{ word: "transferred"; campaign: CampaignView; receipt: string } | Refusal> {
  const { transferId, from, to, count } = transfer;
  if (from === to) return { word: "conflict", detail: "A campaign cannot send stock to itself." };
  const moved = await moveStock(ctx, from, { transferId, direction: "out", count, other: to });
  if (moved.word !== "changed") return moved;
  return { word: "transferred", campaign: moved.campaign, receipt: receiptOf(transfer, ctx.couponSecret) };
}

/** The second half: adds what a receipt proves to have gone elsewhere. Repeating it changes nothing. */
export async function receiveStock(
  ctx: TransferCtx,
  campaignId: string,
  receipt: string,
): Promise<{ word: "transferred"; campaign: CampaignView } | Refusal> {
  const transfer = readReceipt(receipt, ctx.couponSecret);
  if (!transfer || transfer.to !== campaignId) {
    return { word: "conflict", detail: `This is no receipt for campaign "${campaignId}".` };
  }
  const { transferId, count, from } = transfer;
  const moved = await moveStock(ctx, campaignId, { transferId, direction: "in", count, other: from });
  return moved.word === "changed" ? { word: "transferred", campaign: moved.campaign } : moved;
}
