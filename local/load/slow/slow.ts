import { answers, type Lease, leaseStack, stackFileOf, type Terms } from "../../lease.ts";
import { readStackFile, type StackFile } from "../../stack-file.ts";
import { NoLoad } from "../surroundings.ts";
import { slowHandler } from "./handler.ts";
import { slowLedger } from "./ledger.ts";
import { slowRedis } from "./redis.ts";

/**
 * One part of a stack made slow for real, to see whether the report names it. Only for a stack of the run's own: what is
 * slowed here is a whole store, for everybody.
 */
export const SLOWED = ["redis", "ledger", "handler"] as const;
export type Slowed = (typeof SLOWED)[number];

export interface Slowing {
  /** What the stack must find in its environment. */
  readonly env: NodeJS.ProcessEnv;
  /** Makes the part slow, once the stack is there. */
  begin(stack: Pick<StackFile, "redis">): Promise<void>;
  /** Safe to call whether it has begun or not, and twice. */
  end(): Promise<void>;
}

/** Variables with which a part is somebody else's. */
const FOREIGN = { redis: "FIRSTCOME_REDIS_URL", ledger: "FIRSTCOME_DYNAMODB_ENDPOINT" } as const;

/**
 * Starts a stack of which one part is slow.
 *
 * @throws {NoLoad} When a stack is running, or the part would not be the stack's own: others would be slowed with it.
 */
export async function leaseSlowed(part: Slowed, terms: Terms): Promise<Lease> {
  const running = readStackFile(stackFileOf(terms));
  if (running && (await answers(running.api, terms.interrupted))) {
    throw new NoLoad(2, `A stack runs at ${running.api}, and --slow is only for one of the run's own. Stop it first.`);
  }
  const slowing = await prepare(part, terms.env);
  try {
    const lease = await leaseStack({ ...terms, env: { ...terms.env, ...slowing.env } });
    const stop = async () => {
      await slowing.end();
      await lease.stop();
    };
    await slowing.begin(lease.stack).catch(async (error: unknown) => {
      await lease.stop();
      throw error;
    });
    return { stack: lease.stack, stop };
  } catch (error) {
    await slowing.end();
    throw error;
  }
}

async function prepare(part: Slowed, env: NodeJS.ProcessEnv): Promise<Slowing> {
  const foreign = part === "handler" ? undefined : FOREIGN[part];
  if (foreign && env[foreign]) {
    throw new NoLoad(2, `--slow ${part} would slow what ${foreign} names, which is not the run's own. Unset it.`);
  }
  if (part === "redis") return slowRedis();
  return part === "ledger" ? slowLedger() : slowHandler(env);
}
