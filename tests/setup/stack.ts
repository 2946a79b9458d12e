import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { buildAll, ROOT, startStack } from "../../local/stack.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** Where the shared stack runs; see local/stack-file.ts. */
    stackFile: string;
  }
}

/** One stack for all tests that speak HTTP. Each makes its own campaigns and users, so none sees another. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = join(ROOT, ".local", `test-${process.pid}`);
  const stackFile = join(folder, "stack.json");
  // Once for this stack and for those that tests start by themselves.
  const built = join(folder, "built");
  const start = async () => {
    await buildAll({ bundles: join(built, "functions"), consoleFolder: join(built, "console") });
    process.env.FIRSTCOME_BUILT = built;
    return startStack({
      port: 0,
      stackFile,
      redisServer: process.env.FIRSTCOME_REDIS_SERVER,
      redisUrl: process.env.FIRSTCOME_REDIS_URL,
      sqsEndpoint: process.env.FIRSTCOME_SQS_ENDPOINT,
      dynamodbEndpoint: process.env.FIRSTCOME_DYNAMODB_ENDPOINT,
    });
  };
  const stack = await start().catch((error: unknown) => {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  });
  project.provide("stackFile", stackFile);
  return async () => {
    await stack.stop();
    // What the stack said stays: it is what a failed test is explained from.
    renameSync(join(folder, "stack.log"), join(ROOT, ".local", "test-stack.log"));
    rmSync(folder, { recursive: true, force: true });
  };
}
