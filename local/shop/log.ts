import { readFileSync } from "node:fs";
import * as z from "zod/mini";
import { type Rebuild, rebuildSchema } from "./desk.ts";

/** What the stack's functions printed: for the table, and what they say of faults of their own. */
export interface Printed {
  readonly rowsApplied: number;
  /** Messages and parts that came again and were recognised. */
  readonly duplicates: number;
  readonly rowsLate: number;
  /** Rows of buckets that left their tier while publishing. */
  readonly rowsExpired: number;
  readonly batchesResent: number;
  readonly generations: number;
  readonly rebuildsBegun: number;
  readonly rebuilds: readonly Rebuild[];
  /** Times that views were let through uncounted, because Redis did not answer. */
  readonly uncapped: number;
  /** Faults of the functions themselves. */
  readonly bugs: readonly string[];
}

export function readLog(path: string): Printed {
  const sums = new Map<string, number>();
  const events = new Map<string, number>();
  const bugs: string[] = [];
  // By the edition: two that finish it at once both say so.
  const rebuilds = new Map<number, Rebuild>();
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const read = parse(line);
    if (!read) continue;
    for (const [name, value] of Object.entries(read)) {
      if (typeof value === "number") sums.set(name, (sums.get(name) ?? 0) + value);
    }
    if (typeof read.event !== "string") continue;
    events.set(read.event, (events.get(read.event) ?? 0) + 1);
    const rebuilt = read.event === "rankings-rebuilt" ? z.safeParse(rebuildSchema, read) : undefined;
    if (rebuilt?.success) rebuilds.set(rebuilt.data.edition, rebuilt.data);
    if (read.event === "bug") bugs.push(line.slice(0, 500));
  }
  const sum = (name: string) => sums.get(name) ?? 0;
  return {
    rowsApplied: sum("EventRowsApplied"),
    duplicates: sum("EventDuplicates"),
    rowsLate: sum("EventRowsLate"),
    rowsExpired: sum("RowsExpired"),
    batchesResent: sum("EventBatchesResent"),
    generations: sum("GenerationsPublished"),
    rebuilds: [...rebuilds.values()],
    rebuildsBegun: events.get("rankings-rebuild-begun") ?? 0,
    uncapped: events.get("views-uncapped") ?? 0,
    bugs,
  };
}

/** A line that is no JSON is somebody else's. */
function parse(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
