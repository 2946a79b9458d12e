import { open } from "node:fs/promises";

/**
 * Reads a log's lines as it grows, those that have metrics in them. It reads when it is asked and at no other time, so a rush that
 * nobody looks at costs nothing; the log itself is the memory, so a reader that was killed begins again and knows the same.
 */

const MARK = '"_aws"';
const NEWLINE = 10;
const CHUNK_BYTES = 1 << 20;
/** CloudWatch takes no longer line. */
const LINE_BYTES_MOST = 1 << 20;

export interface Tail {
  readonly path: string;
  /** Is given each line with metrics, in the order of the log. */
  readonly take: (line: string) => void;
  /** The log is shorter than what was read of it: it was begun anew. */
  readonly anew: () => void;
}

/** @returns a function that reads on up to the log's end; one call waits for the other */
export function tail({ path, take, anew }: Tail): () => Promise<void> {
  let offset = 0;
  /** Of a line whose end is not written yet. */
  let rest: Buffer = Buffer.alloc(0);
  let reading = Promise.resolve();

  const takeLines = (bytes: Buffer) => {
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    for (let mark = bytes.indexOf(MARK); mark >= 0 && mark < end; ) {
      const first = bytes.lastIndexOf(NEWLINE, mark) + 1;
      const last = bytes.indexOf(NEWLINE, mark);
      take(bytes.toString("utf8", first, last));
      mark = bytes.indexOf(MARK, last);
    }
    rest = Buffer.from(bytes.subarray(end));
    if (rest.length > LINE_BYTES_MOST) rest = Buffer.alloc(0);
  };

  const readOn = async () => {
    const file = await open(path, "r");
    try {
      const { size } = await file.stat();
      if (size < offset) {
        offset = 0;
        rest = Buffer.alloc(0);
        anew();
      }
      const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, size - offset));
      while (offset < size) {
        const { bytesRead } = await file.read(chunk, 0, Math.min(chunk.length, size - offset), offset);
        if (bytesRead === 0) return;
        offset += bytesRead;
        takeLines(Buffer.concat([rest, chunk.subarray(0, bytesRead)]));
      }
    } finally {
      await file.close();
    }
  };

  return () => {
    reading = reading.then(readOn, readOn);
    return reading;
  };
}
