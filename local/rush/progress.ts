const BAR_WIDTH = 30;
const REDRAW_MS = 100;
const LINE_EVERY_MS = 3_000;

export interface Progress {
  show(done: number): void;
  end(): void;
}

/** A bar that fills where there is a terminal; elsewhere a plain line every few seconds, so that a log stays readable. */
export function openProgress(title: string, total: number, stream: NodeJS.WriteStream): Progress {
  const isDrawn = stream.isTTY === true && process.env.TERM !== "dumb" && !process.env.CI;
  let done = 0;
  let drawn = -1;
  const count = () => `${done.toLocaleString("en-US")} of ${total.toLocaleString("en-US")}`;

  function draw(): void {
    if (done === drawn) return;
    drawn = done;
    if (!isDrawn) {
      stream.write(`${title}: ${count()}\n`);
      return;
    }
    const filled = Math.round((BAR_WIDTH * done) / Math.max(1, total));
    const bar = "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
    // A line that wraps could not be taken back.
    stream.write(`\r\x1b[2K${`${title} ${bar} ${count()}`.slice(0, (stream.columns || 80) - 1)}`);
  }

  if (isDrawn) draw();
  const timer = setInterval(draw, isDrawn ? REDRAW_MS : LINE_EVERY_MS).unref();
  return {
    show: (now) => {
      done = now;
    },
    end: () => {
      clearInterval(timer);
      draw();
      if (isDrawn) stream.write("\n");
    },
  };
}
