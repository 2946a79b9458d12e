/** The last lines of what a program prints. However much that is, a bounded amount is kept. */

const LINES = 40;
const LINE_LENGTH = 400;

export interface LastLines {
  add(text: string): void;
  /** At most 40, the oldest first; the one that is not ended is the last. */
  read(): readonly string[];
}

/** @param onLine told of each line that has come to its end */
export function openLastLines(onLine: (line: string) => void): LastLines {
  let lines: string[] = [];
  let open = "";
  return {
    add(text) {
      const [first = "", ...more] = text.split("\n");
      open = (open + first).slice(0, LINE_LENGTH);
      for (const next of more) {
        onLine(open);
        lines.push(open);
        open = next.slice(0, LINE_LENGTH);
      }
      lines = lines.slice(-LINES);
    },
    read: () => [...lines, ...(open === "" ? [] : [open])].slice(-LINES),
  };
}
