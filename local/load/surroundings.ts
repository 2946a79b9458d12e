/** What a load run knows of where it is. Handed in, so that a test can describe another machine. */
export interface Surroundings {
  /** The repo's folder. */
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
  /** Prints the answer to a question (`--help`). */
  readonly answer: (text: string) => void;
  /** Prints a line on what is going on. */
  readonly say: (line: string) => void;
  /** How often a long step says that it goes on. */
  readonly progressEveryMs: number;
  /** Whether a person watches: k6 then draws its progress. */
  readonly isWatched: boolean;
}

/** A reason not to run the load that its user can mend: shown without a stack trace, with the exit status to end with. */
export class NoLoad extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}
