import type { changeCampaign, createCampaign, listCampaigns } from "../../functions/contract/campaigns.ts";
import type { issueCoupon, myCoupons } from "../../functions/contract/coupons.ts";
import type {
  listDeadLetters,
  redriveDeadLetters,
  showHealth,
  showSignals,
  verifyCampaign,
} from "../../functions/contract/operations.ts";
import type { listBoards, putBoard, showProduct, showRankings, showTop } from "../../functions/contract/rankings.ts";
import type { listRooms, pollTicket, showRoom } from "../../functions/contract/rooms.ts";
import type { AnswerOf } from "./api.ts";

/** The API's documents by name, as its contracts type them. */

export type Campaign = AnswerOf<typeof createCampaign>;
export type CampaignPage = AnswerOf<typeof listCampaigns>;
export type ChangedCampaign = AnswerOf<typeof changeCampaign>;
export type Coupon = AnswerOf<typeof issueCoupon>;
export type MyCoupons = AnswerOf<typeof myCoupons>;
export type Health = AnswerOf<typeof showHealth>;
export type Signals = AnswerOf<typeof showSignals>;
export type Verification = AnswerOf<typeof verifyCampaign>;
export type Letters = AnswerOf<typeof listDeadLetters>;
export type Redriven = AnswerOf<typeof redriveDeadLetters>;
export type Room = AnswerOf<typeof showRoom>;
export type RoomPage = AnswerOf<typeof listRooms>;
export type Ticket = AnswerOf<typeof pollTicket>;
export type Board = AnswerOf<typeof putBoard>;
export type BoardPage = AnswerOf<typeof listBoards>;
export type Top = AnswerOf<typeof showTop>;
export type ProductRank = AnswerOf<typeof showProduct>;
export type Rankings = AnswerOf<typeof showRankings>;

/** GET /ops/campaigns/{campaignId}: how far the ledger is behind. */
export interface Watched {
  readonly campaignId: string;
  readonly state: Campaign["state"];
  readonly at: string;
  readonly pending: number;
  readonly confirmed: number;
  readonly oldestPendingMs: number;
  readonly expectedMs: number;
  readonly refusedAt?: string;
}

/** GET /ops/campaigns/{campaignId}/answers: one number a step and word, oldest first. */
export interface Answers {
  readonly stepMs: number;
  readonly from: string;
  readonly to: string;
  readonly words: Readonly<Record<string, readonly number[]>>;
}
