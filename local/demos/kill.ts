import type { StackFile } from "../stack-file.ts";

/** Parts of the stack that may be killed for show: each is started again by the stack, and nothing is lost by it. */
const PARTS = ["redis", "worker"] as const;
export type Part = (typeof PARTS)[number];

export const isPart = (name: string): name is Part => PARTS.some((part) => part === name);
export const partNames = PARTS.join(", ");

/** Kills a part, without a warning. @returns its process, or why it was not killed */
export function killPart(part: Part, stack: StackFile | undefined): { pid: number } | { reason: string } {
  if (!stack) return { reason: "The stack is not ready yet." };
  const pid = stack.pids[part];
  if (pid === undefined)
    return { reason: `This stack has not started ${part}: it ran before, and is not ours to kill.` };
  try {
    process.kill(pid, "SIGKILL");
    return { pid };
  } catch {
    return { reason: `${part} is away already, and not back yet.` };
  }
}
