import type { Progress } from "./progress.ts";
import type { Server } from "./server.ts";

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
