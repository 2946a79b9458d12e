import type { Ctx } from "../context.ts";
import type { Item } from "../doors/dynamodb.ts";

/**
 * Dead letters as the ledger keeps them: partition `letters`, one item for each issuance (or for each message that is none).
 * SQS hands a letter out once more with each mistake; here it can be read, decided, and decided again.
 */

type LedgerCtx = Pick<Ctx, "table">;

/**
 * - `settled`: the ledger has the coupon after all
 * - `redriven`: sent round again, because the reason was a passing one
 * - `compensated`: can never be recorded; the coupon is revoked, and its holder sees why
 * - `kept`: for the operator
 */
export const DECISIONS = ["settled", "redriven", "compensated", "kept"] as const;
export type Decision = (typeof DECISIONS)[number];

export interface Letter {
  readonly letterId: string;
  readonly reason: string;
  readonly decision: Decision;
  /** How often it was sent round again. */
  readonly redrives: number;
  readonly campaignId?: string | undefined;
  readonly userId?: string | undefined;
  readonly ticket?: number | undefined;
  readonly couponId?: string | undefined;
  /** The message; cut off when it is no confirmation of ours. */
  readonly body: string;
  readonly groupId: string;
  /** Milliseconds since 1970. */
  readonly firstAt: number;
  readonly decidedAt: number;
  /** Seconds since 1970 after which DynamoDB removes it; only for what is decided. */
  readonly ttl?: number | undefined;
}

const LETTERS = "letters";

const letterOf = ({ pk: _pk, sk, ...rest }: Item): Letter => ({
  ...(rest as unknown as Omit<Letter, "letterId">),
  letterId: String(sk),
});

export const letters = {
  get: async (ctx: LedgerCtx, letterId: string): Promise<Letter | undefined> => {
    const item = await ctx.table.get({ pk: LETTERS, sk: letterId });
    return item && letterOf(item);
  },

  /** Writes a decision down in place of the one before. */
  put: async (ctx: LedgerCtx, { letterId, ...rest }: Letter): Promise<void> => {
    const key = { pk: LETTERS, sk: letterId };
    const first = await ctx.table.put(key, rest, { absent: true });
    if (!first) await ctx.table.put(key, rest, { equals: { firstAt: rest.firstAt } });
  },

  page: async (
    ctx: LedgerCtx,
    page: { limit: number; after?: string | undefined; prefix?: string },
  ): Promise<{ items: Letter[]; after?: string }> => {
    const { items, more } = await ctx.table.query(LETTERS, {
      limit: page.limit,
      ...(page.prefix === undefined ? {} : { prefix: page.prefix }),
      ...(page.after === undefined ? {} : { after: page.after }),
    });
    const last = items.at(-1);
    return { items: items.map(letterOf), ...(more && last ? { after: String(last.sk) } : {}) };
  },
};
