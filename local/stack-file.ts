import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** `.local/stack.json`: where a running stack is, for tools and tests. */
export interface StackFile {
  readonly api: string;
  readonly console: string;
  readonly redis: string;
  readonly redisPid: number | null;
  readonly sqs: string;
  readonly dynamodb: string;
  /** CloudWatch's metrics, made of `log`. */
  readonly cloudwatch: string;
  readonly queues: Readonly<Record<string, string>>;
  readonly tables: Readonly<Record<string, string>>;
  readonly pid: number;
  /** Every process of the stack by name, for fault drills; absent for parts that ran before. */
  readonly pids: Readonly<Record<string, number>>;
  /** What the functions print. */
  readonly log: string;
}

/** @returns undefined when there is none, or the stack that wrote it is gone */
export function readStackFile(path: string): StackFile | undefined {
  try {
    const stack = JSON.parse(readFileSync(path, "utf8")) as StackFile;
    process.kill(stack.pid, 0);
    return stack;
  } catch {
    return undefined;
  }
}

export function writeStackFile(path: string, stack: StackFile): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(stack, null, 2)}\n`);
}

export function removeStackFile(path: string): void {
  rmSync(path, { force: true });
}
