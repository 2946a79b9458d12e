import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stackFileOf } from "../lease.ts";
import { NoRush, obtainStack } from "../rush/stack.ts";
import { ROOT, startStack } from "../stack.ts";
import { readStackFile, type StackFile } from "../stack-file.ts";
import { type Clock, leapingClock, realClock } from "./clock.ts";
import type { Options } from "./options.ts";

/** Where a day is held: a stack, and the clock that it goes by. */
export interface Ground {
  readonly clock: Clock;
  /** What runs where now: a part that was started again has another pid. Undefined when it is gone. */
  readonly stack: () => StackFile | undefined;
  readonly first: StackFile;
  stop(): Promise<void>;
}

/** How long a killed part stays away: in AWS another one is there at once. */
const RESTART_MS = 300;
const CLOCK = fileURLToPath(new URL("clock.mjs", import.meta.url));

/** A stack of our own, whose clock leaps unless it is to have the real one; or the one that is named. */
export async function obtainGround(
  options: Options,
  say: (line: string) => void,
  interrupted: AbortSignal,
): Promise<Ground> {
  if (options.stack !== undefined || options.api !== undefined) return given(options, say, interrupted);
  mkdirSync(join(ROOT, ".local"), { recursive: true });
  const folder = mkdtempSync(join(ROOT, ".local", "shop-"));
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  const path = join(folder, "clock");
  const isFast = options.speed > 1;
  const clock = isFast ? leapingClock(path) : realClock;
  process.env.FIRSTCOME_SHOP_CLOCK = path;
  const stackFile = join(folder, "stack.json");
  try {
    const stack = await startStack({
      ...{ port: 0, stackFile, restartMs: RESTART_MS },
      ...(isFast ? { preload: CLOCK } : {}),
      redisServer: process.env.FIRSTCOME_REDIS_SERVER || undefined,
      progress: (step) => say(`A stack of our own: ${step}`),
    });
    const stop = async () => {
      await stack.stop();
      remove();
    };
    return { clock, stack: () => readStackFile(stackFile), first: stack.file, stop };
  } catch (error) {
    remove();
    throw error;
  }
}

async function given(options: Options, say: (line: string) => void, interrupted: AbortSignal): Promise<Ground> {
  const path = options.stack ?? stackFileOf({ root: ROOT, env: process.env });
  if (!readStackFile(path))
    throw new NoRush(`${path} describes no running stack. Leave --stack and --api out to have one for the time.`);
  const lease = await obtainStack({ ...options, stack: path }, { say, interrupted });
  return { clock: realClock, stack: () => readStackFile(path), first: lease.stack, stop: lease.stop };
}
