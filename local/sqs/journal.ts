import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Change } from "./changes.ts";

const FILE_NAME = "sqs.journal";
const PIECE_CHARACTERS = 1 << 20;

/**
 * The lasting changes, one line of JSON each, in the order in which they happened.
 *
 * A change is handed to the operating system before the answer that reports it is sent, so the death
 * of this process, however sudden, loses nothing that a client was told. Lines are not forced to the
 * disk one by one: a loss of power may cost the last of them. One directory serves one process at a time.
 */
export class Journal {
  readonly #file: number;
  /** Where the next line belongs. Writing at a position lets a failed write be done over. */
  #end = 0;
  #pending = "";

  private constructor(file: number) {
    this.#file = file;
  }

  /** The changes written down in a directory. A line that was cut off by the end of the process is dropped. */
  static read(directory: string): Change[] {
    const path = join(directory, FILE_NAME);
    if (!existsSync(path)) {
      return [];
    }
    const lines = readFileSync(path, "utf8").split("\n");
    lines.pop();
    return lines.map((line, index) => parse(line, `${path}:${index + 1}`));
  }

  /**
   * Begins a journal with the given changes, in place of the one that was there. The new file takes its
   * name only when it is complete, so that at every moment there is one whole journal.
   */
  static start(directory: string, changes: Iterable<Change>): Journal {
    mkdirSync(directory, { recursive: true });
    const path = join(directory, FILE_NAME);
    const journal = new Journal(openSync(`${path}.next`, "w"));
    for (const change of changes) {
      journal.append(change);
      if (journal.#pending.length > PIECE_CHARACTERS) {
        journal.flush();
      }
    }
    journal.flush();
    renameSync(`${path}.next`, path);
    return journal;
  }

  get bytes(): number {
    return this.#end;
  }

  /** Notes a change; it is kept once `flush` has returned. */
  append(change: Change): void {
    this.#pending += `${JSON.stringify(change)}\n`;
  }

  flush(): void {
    if (this.#pending === "") {
      return;
    }
    const bytes = Buffer.from(this.#pending);
    for (let written = 0; written < bytes.length; ) {
      written += writeSync(this.#file, bytes, written, bytes.length - written, this.#end + written);
    }
    this.#end += bytes.length;
    this.#pending = "";
  }

  close(): void {
    this.flush();
    closeSync(this.#file);
  }
}

function parse(line: string, place: string): Change {
  try {
    return JSON.parse(line) as Change;
  } catch (cause) {
    throw new Error(`The journal of the queues is damaged at ${place}`, { cause });
  }
}
