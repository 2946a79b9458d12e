import type * as z from "zod/mini";
import type { RefusalWord, SuccessWord } from "../../core/words.ts";

/** Who may call a route: anyone, any verified user, or a token with one of these scopes. */
export type Who = "anyone" | "shopper" | "operator" | "events";

/**
 * One route: what it takes and what it answers. The same object validates requests, gives the OpenAPI document, and tells
 * the gateway (in AWS and on a laptop) what to route and whom to let in.
 */
export interface Contract {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** As API Gateway writes it: `/campaigns/{campaignId}`. */
  readonly path: string;
  readonly who: Who;
  readonly summary: string;
  readonly params?: z.ZodMiniType;
  readonly query?: z.ZodMiniType;
  /** Header names in lower case. */
  readonly headers?: z.ZodMiniType;
  readonly body?: z.ZodMiniType;
  /** The schema of each success. */
  readonly answers: Readonly<Partial<Record<SuccessWord, z.ZodMiniType>>>;
  /** The refusals beyond those that every route may give. */
  readonly refusals: readonly RefusalWord[];
}

/** Declares a contract, keeping the exact types of its schemas. */
export function contract<const C extends Contract>(it: C): C {
  return it;
}
