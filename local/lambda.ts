import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** Runs the Lambda bundles in this process, with Lambda's context and timeout. */

export interface LambdaContext {
  readonly functionName: string;
  readonly functionVersion: string;
  readonly invokedFunctionArn: string;
  readonly memoryLimitInMB: string;
  readonly awsRequestId: string;
  readonly logGroupName: string;
  readonly logStreamName: string;
  callbackWaitsForEmptyEventLoop: boolean;
  getRemainingTimeInMillis(): number;
}

/**
 * Invocations of one function at once; more wait their turn. Lambda would give each an environment with a processor of its
 * own; here they share one, and a thousand at once would take their turns so long that every store seems to have timed out.
 */
const ENVIRONMENTS = 64;

/** Lets so many pass at a time, the others in the order in which they came. */
function turnstile(places: number) {
  let free = places;
  const waiting: (() => void)[] = [];
  return {
    async enter(): Promise<void> {
      if (free > 0) free--;
      else await new Promise<void>((resolve) => waiting.push(resolve));
    },
    leave(): void {
      const next = waiting.shift();
      if (next) next();
      else free++;
    },
  };
}

/** The function did not answer in its time. */
export class FunctionTimeout extends Error {
  constructor(name: string, seconds: number) {
    super(`${name} did not answer within ${seconds} s`);
    this.name = "FunctionTimeout";
  }
}

type Handler = (event: unknown, context: LambdaContext) => Promise<unknown>;

export interface Lambdas {
  /** Invokes a function and waits for its answer. The bundle is loaded at the first call, which is its cold start. */
  invoke(name: string, event: unknown): Promise<unknown>;
  /** Loads a function ahead of its first call. */
  load(name: string): Promise<void>;
}

/**
 * @param bundles folder of the bundles, `<name>/index.mjs`
 * @param seconds how long a function may run
 */
export function lambdas(bundles: string, seconds: number): Lambdas {
  const loaded = new Map<string, Promise<Handler>>();
  const turns = new Map<string, ReturnType<typeof turnstile>>();

  const handlerOf = (name: string): Promise<Handler> => {
    let handler = loaded.get(name);
    if (!handler) {
      const url = pathToFileURL(join(bundles, name, "index.mjs")).href;
      handler = import(url).then((module: { handler: Handler }) => module.handler);
      loaded.set(name, handler);
    }
    return handler;
  };

  return {
    async load(name) {
      await handlerOf(name);
    },
    async invoke(name, event) {
      const handler = await handlerOf(name);
      const turn = turns.get(name) ?? turnstile(ENVIRONMENTS);
      turns.set(name, turn);
      await turn.enter();
      // Not by the time of day, which a drill may let leap.
      const endsAt = performance.now() + seconds * 1_000;
      const context: LambdaContext = {
        functionName: name,
        functionVersion: "$LATEST",
        invokedFunctionArn: `arn:aws:lambda:local:000000000000:function:${name}`,
        memoryLimitInMB: "1024",
        awsRequestId: randomUUID(),
        logGroupName: `/aws/lambda/${name}`,
        logStreamName: "local",
        callbackWaitsForEmptyEventLoop: true,
        getRemainingTimeInMillis: () => Math.max(0, endsAt - performance.now()),
      };
      let timer: NodeJS.Timeout | undefined;
      const timeout = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new FunctionTimeout(name, seconds)), seconds * 1_000);
      });
      try {
        return await Promise.race([handler(event, context), timeout]);
      } finally {
        clearTimeout(timer);
        turn.leave();
      }
    },
  };
}
