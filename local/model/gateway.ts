import type { Knobs } from "./knobs.ts";
import type { Plan } from "./plan.ts";

/** The way to the functions: the edge, each route's limit, the account's, and Lambda's requests a second. */

/** Requests in one tick. */
export interface Asked {
  readonly issue: number;
  readonly take: number;
  readonly poll: number;
  /** For public documents, which the edge answers. */
  readonly looks: number;
}

export interface Through {
  /** Share of everything that the edge takes. */
  readonly byEdge: number;
  /** Requests that get to Lambda, and of those the ones that get to a function. */
  readonly passed: Readonly<Record<"issue" | "take" | "poll", number>>;
  readonly reached: Readonly<Record<"issue" | "take" | "poll", number>>;
  /** Requests that the edge takes, and that pass the gateway, or are refused by it, documents included. */
  readonly edgeRequests: number;
  readonly requests: number;
  readonly refusedRequests: number;
  readonly refusedBy: Readonly<Record<"edge" | "route" | "gateway" | "perSecond", number>>;
}

/** What AWS lets through above a limit for a moment is not counted on: it calls that its best effort. */
export function throughGateway(asked: Asked, plan: Plan, knobs: Knobs, tickSeconds: number): Through {
  const { issue, take, poll, looks } = asked;
  const least = (limit: number, amount: number) => (amount > limit ? limit / amount : 1);
  const atEdge = issue + take + poll + looks;
  const byEdge = least(plan.edgePerSecond * tickSeconds, atEdge);

  const route = plan.sizes.throttle.shopper.perSecond * tickSeconds;
  const past = (amount: number) => Math.min(amount * byEdge, route);
  const documents = Math.min(looks * byEdge, knobs.edgeAsks * tickSeconds);
  const through = past(issue) + past(take) + past(poll) + documents;
  const byAccount = least(plan.gatewayPerSecond * tickSeconds, through);
  const passed = {
    issue: past(issue) * byAccount,
    take: past(take) * byAccount,
    poll: past(poll) * byAccount,
  };

  const refusedByRoute = (issue + take + poll) * byEdge - past(issue) - past(take) - past(poll);
  const refusedByAccount = through * (1 - byAccount);
  const calls = passed.issue + passed.take + passed.poll;
  const byRate = least(knobs.requestsPerEnvironment * plan.lambdaAtOnce * tickSeconds, calls);
  return {
    ...{ byEdge, passed, edgeRequests: atEdge * byEdge, requests: through * byAccount },
    refusedRequests: refusedByRoute + refusedByAccount,
    reached: { issue: passed.issue * byRate, take: passed.take * byRate, poll: passed.poll * byRate },
    refusedBy: {
      edge: atEdge * (1 - byEdge),
      route: refusedByRoute,
      gateway: refusedByAccount,
      perSecond: calls * (1 - byRate),
    },
  };
}
