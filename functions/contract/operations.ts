import * as z from "zod/mini";
import { contract } from "./contract.ts";

const door = z.object({ status: z.enum(["up", "down"]), ms: z.number() });

export const health = z.object({ status: z.enum(["up", "down"]), redis: door, queue: door, ledger: door });

export const showHealth = contract({
  method: "GET",
  path: "/health",
  who: "anyone",
  summary:
    "Whether Redis, queue and ledger answer, and in how many milliseconds; 503 with the same document when one does not",
  answers: { healthy: health, unhealthy: health },
  refusals: [],
});

export const showOpenapi = contract({
  method: "GET",
  path: "/openapi.json",
  who: "anyone",
  summary: "This document",
  answers: { found: z.record(z.string(), z.unknown()) },
  refusals: [],
});
