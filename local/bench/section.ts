import type { Progress } from "./progress.ts";
import type { Server } from "./server.ts";
import { times } from "./table.ts";

/** What every section gets. */
export interface Bench {
  readonly server: Server;
  readonly progress: Progress;
  /** Fewer and smaller rounds: to see that it runs, not to quote. */
  readonly quick: boolean;
  /** A folder that is deleted at the end. */
  readonly folder: string;
}

/** A figure that the project has set itself, and what came out. */
export interface Bar {
  readonly name: string;
  readonly wanted: string;
  readonly measured: string;
  readonly meets: boolean;
}

/** A bar for a ratio, judged as it is shown. */
export function ratioBar(name: string, ratio: number, most: number): Bar {
  return { name, wanted: `≤ ${times(most)}`, measured: times(ratio), meets: Number(ratio.toFixed(2)) <= most };
}

export interface Outcome {
  /** Tables and what their rows mean. */
  readonly text: string;
  readonly bars: readonly Bar[];
  /** Everything measured, for `--json`. */
  readonly figures: unknown;
}

/** One part of `npm run bench`. */
export interface Section {
  readonly name: string;
  /** One line for the title and for `--help`. */
  readonly summary: string;
  run(bench: Bench): Promise<Outcome>;
}
