const LINE_EVERY_MS = 5_000;

/** What is going on, while it goes on. */
export interface Progress {
  show(text: string): void;
  /** Prints a line that stays. */
  print(text: string): void;
  /** Takes the line back, so that something lasting can be printed. */
  clear(): void;
}

/** A line that is written over where there is a terminal; elsewhere a plain one every few seconds, so that a log stays readable. */
export function openProgress(stream: NodeJS.WriteStream): Progress {
  const isDrawn = stream.isTTY === true && process.env.TERM !== "dumb" && !process.env.CI;
  let writtenAt = performance.now();
  return {
    show(text) {
      if (isDrawn) {
        // A line that wraps could not be taken back.
        stream.write(`\r\x1b[2K${text.slice(0, (stream.columns || 80) - 1)}`);
        return;
      }
      if (performance.now() - writtenAt < LINE_EVERY_MS) return;
      writtenAt = performance.now();
      stream.write(`  … ${text}\n`);
    },
    print(text) {
      stream.write(`${isDrawn ? "\r\x1b[2K" : ""}${text}\n`);
    },
    clear() {
      if (isDrawn) stream.write("\r\x1b[2K");
    },
  };
}
