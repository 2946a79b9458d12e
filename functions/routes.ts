import { changeCampaign, createCampaign, listCampaigns, showCampaign } from "./contract/campaigns.ts";
import type { Contract } from "./contract/contract.ts";
import { issueCoupon, listCoupons, myCoupons } from "./contract/coupons.ts";
import { showHealth, showOpenapi } from "./contract/operations.ts";

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
  { file: "health", contract: showHealth },
  { file: "openapi", contract: showOpenapi },
];

/** Serves whatever no route fits: 404, or 405 where the path exists with other methods. */
export const fallbackFile = "fallback";

/** Functions that no request reaches: fed by a queue, or by a schedule. */
export const consumers = { confirmations: "confirm" } as const;

export const schedules = {
  sweep: { file: "sweep", rate: "1 minute" },
} as const;
