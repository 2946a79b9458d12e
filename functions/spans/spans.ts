import { performance } from "node:perf_hooks";
import { cpuUsage } from "node:process";
import { limits } from "../../core/limits.ts";
import { log } from "../log.ts";
import { recorder } from "./recorder.ts";

/** This container's recorder. Each function is a bundle of its own, so each has its own. */
const recorded = recorder(limits.spansEveryMs, {
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

/** Makes a handler record its spans: one line `spans` at intervals, under the function's name. */
export function spanned<E, C extends { readonly functionName: string }, R>(
  handler: (event: E, context: C) => Promise<R>,
): (event: E, context: C) => Promise<R> {
  return (event, context) =>
    recorded.handle(
      () => handler(event, context),
      (figures) => log("spans", { function: context.functionName, ...figures }),
    );
}
