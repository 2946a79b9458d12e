import { limits } from "../../core/limits.ts";

/**
 * Adds up in a container's memory what comes too often for a line each, and writes the sums at intervals.
 *
 * A container that is not called is frozen and runs no timer, so whoever counts also writes, at most once in
 * `limits.countsEveryMs`. The first of all is written at once; what a container has counted in its last seconds is lost with it. So
 * these sums show shares and rates; the exact number of requests is the gateway's.
 *
 * @param write is given each name that something was counted for: how often, and in how many of these cases it was so
 */
export function counts(
  write: (name: string, times: number, so: number) => void,
  now: () => number = Date.now,
): (name: string, isSo?: boolean) => void {
  const held = new Map<string, [times: number, so: number]>();
  let writtenAt = 0;
  return (name, isSo) => {
    const [times, so] = held.get(name) ?? [0, 0];
    held.set(name, [times + 1, so + Number(isSo ?? 0)]);
    if (now() - writtenAt < limits.countsEveryMs) return;
    writtenAt = now();
    for (const [each, sums] of held) write(each, ...sums);
    held.clear();
  };
}
