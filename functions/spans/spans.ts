import { performance } from "node:perf_hooks";
import { cpuUsage } from "node:process";
import { limits } from "../../core/limits.ts";
import { log } from "../log.ts";
import { type Batch, recorder } from "./recorder.ts";

/** This container's recorder. Each function is a bundle of its own, so each has its own. */
const pace = { everyMs: limits.spansEveryMs, many: limits.spansMany, quietMs: limits.spansQuietMs };
const recorded = recorder(pace, {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  cpuMs: () => {
    const { user, system } = cpuUsage();
    return (user + system) / 1_000;
  },
  loopMs: () => performance.eventLoopUtilization().active,
  later: (ms, run) => void setTimeout(run, ms).unref(),
});

export const { wait, waited } = recorded;

/** Of an event that comes from a queue, how many messages it has; its answer names those that come again. */
function batchOf(event: unknown): Batch<unknown> | undefined {
  if (typeof event !== "object" || event === null || !("Records" in event) || !Array.isArray(event.Records))
    return undefined;
  return {
    n: event.Records.length,
    failedOf: (answer) =>
      (answer as { readonly batchItemFailures?: readonly unknown[] }).batchItemFailures?.length ?? 0,
  };
}

/** Makes a handler record its spans: one line `spans` at intervals, under the function's name. */
export function spanned<E, C extends { readonly functionName: string }, R>(
  handler: (event: E, context: C) => Promise<R>,
): (event: E, context: C) => Promise<R> {
  return (event, context) =>
    recorded.handle(
      () => handler(event, context),
      (figures) => log("spans", { function: context.functionName, ...figures }),
      batchOf(event),
    );
}
