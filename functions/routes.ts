import {
  changeCampaign,
  createCampaign,
  listCampaigns,
  receiveStock,
  sendStock,
  showCampaign,
} from "./contract/campaigns.ts";
import type { Contract } from "./contract/contract.ts";
import { cancelCoupon, issueCoupon, listCoupons, myCoupons, useCoupon } from "./contract/coupons.ts";
import {
  listDeadLetters,
  recoverCampaign,
  redriveDeadLetters,
  showAnswers,
  showHealth,
  showOpenapi,
  showSignals,
  verifyCampaign,
  watchCampaign,
} from "./contract/operations.ts";
import {
  ingestEvents,
  listBoards,
  putBoard,
  rebuildRankings,
  setBreaker,
  showBoard,
  showProduct,
  showRankings,
  showTop,
  switchBoard,
} from "./contract/rankings.ts";
import { leaveRoom, listRooms, pollTicket, putRoom, revokePasses, showRoom, takeTicket } from "./contract/rooms.ts";

export interface Route {
  /** The file in `functions/` whose `handler` serves it. */
  readonly file: string;
  readonly contract: Contract;
}

/** The one list of routes: the gateway, the OpenAPI document and the tests all read it. */
export const routes: readonly Route[] = [
  { file: "create-campaign", contract: createCampaign },
  { file: "change-campaign", contract: changeCampaign },
  { file: "list-campaigns", contract: listCampaigns },
  { file: "show-campaign", contract: showCampaign },
  { file: "issue-coupon", contract: issueCoupon },
  { file: "my-coupons", contract: myCoupons },
  { file: "list-coupons", contract: listCoupons },
  { file: "use-coupon", contract: useCoupon },
  { file: "cancel-coupon", contract: cancelCoupon },
  { file: "watch-campaign", contract: watchCampaign },
  { file: "show-answers", contract: showAnswers },
  { file: "verify-campaign", contract: verifyCampaign },
  { file: "recover-campaign", contract: recoverCampaign },
  { file: "send-stock", contract: sendStock },
  { file: "receive-stock", contract: receiveStock },
  { file: "list-dead-letters", contract: listDeadLetters },
  { file: "redrive-dead-letters", contract: redriveDeadLetters },
  { file: "put-room", contract: putRoom },
  { file: "show-room", contract: showRoom },
  { file: "list-rooms", contract: listRooms },
  { file: "revoke-passes", contract: revokePasses },
  { file: "take-ticket", contract: takeTicket },
  { file: "poll-ticket", contract: pollTicket },
  { file: "leave-room", contract: leaveRoom },
  { file: "put-board", contract: putBoard },
  { file: "list-boards", contract: listBoards },
  { file: "show-board", contract: showBoard },
  { file: "switch-board", contract: switchBoard },
  { file: "ingest-events", contract: ingestEvents },
  { file: "show-top", contract: showTop },
  { file: "show-product", contract: showProduct },
  { file: "set-breaker", contract: setBreaker },
  { file: "show-rankings", contract: showRankings },
  { file: "rebuild-rankings", contract: rebuildRankings },
  { file: "health", contract: showHealth },
  { file: "show-signals", contract: showSignals },
  { file: "openapi", contract: showOpenapi },
];

/** Serves whatever no route fits: 404, or 405 where the path exists with other methods. */
export const fallbackFile = "fallback";

/** Functions that a queue feeds, by the queue's name in infra/settings.ts. */
export const consumers = { Confirmations: "confirm", DeadLetters: "triage", Events: "apply-events" } as const;

/** Functions that a schedule calls, with what they are given. EventBridge comes once a minute at most. */
export const schedules = {
  sweep: { file: "sweep", rate: "1 minute", input: {} },
  recover: { file: "recover", rate: "1 minute", input: { watchSeconds: 50 } },
  /** Longer than its rate: one watch ends when the next has begun, so that nobody is without. */
  admit: { file: "admit", rate: "1 minute", input: { watchSeconds: 65 } },
  verify: { file: "verify", rate: "5 minutes", input: {} },
  /** Longer than its rate, as above. */
  publish: { file: "publish", rate: "1 minute", input: { watchSeconds: 65 } },
  expire: { file: "expire", rate: "1 minute", input: {} },
  rebuild: { file: "rebuild", rate: "1 minute", input: { watchSeconds: 60 } },
  signals: { file: "signals", rate: "1 minute", input: {} },
} as const;
