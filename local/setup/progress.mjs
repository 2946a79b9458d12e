/** @typedef {import("./machine.mjs").Machine} Machine */
/** @typedef {{ everyMs: number, show: (title: string) => void, again: (title: string) => void, end: (title: string, mark: string) => void }} Display */

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/**
 * Runs one step and shows it as one line. On a terminal the line turns and counts the seconds; elsewhere (CI, a log)
 * plain lines appear, without escapes, one every `progressEveryMs` while the step lasts.
 *
 * @template T
 * @param {Machine} machine
 * @param {string} title What is being done, for example "Installing the dependencies".
 * @param {(say: (title: string) => void) => Promise<T>} work May call `say` to show a new title.
 * @returns {Promise<T>} What `work` returned.
 */
export async function step(machine, title, work) {
  const { stderr, env } = machine;
  const display = stderr.isTTY && env.TERM !== "dumb" && !env.CI ? turningLine(machine) : plainLines(machine);
  display.show(title);
  const timer = setInterval(() => display.again(title), display.everyMs);
  try {
    const result = await work((next) => {
      title = next;
      display.show(title);
    });
    display.end(title, "✔");
    return result;
  } catch (error) {
    display.end(title, "✘");
    throw error;
  } finally {
    clearInterval(timer);
  }
}

/**
 * @param {Machine} machine
 * @returns {Display}
 */
function turningLine({ stderr }) {
  const seconds = stopwatch();
  let frame = 0;
  /** @param {string} text */
  const redraw = (text) => stderr.write(`\r\x1b[2K${text}`);
  /** @param {string} title */
  const draw = (title) => {
    frame = (frame + 1) % FRAMES.length;
    // A line that wraps could not be taken back.
    redraw(`${FRAMES[frame]} ${seconds()} ${title}`.slice(0, (stderr.columns || 80) - 1));
  };
  return { everyMs: 100, show: draw, again: draw, end: (title, mark) => redraw(`${mark} ${title} (${seconds()})\n`) };
}

/**
 * @param {Machine} machine
 * @returns {Display}
 */
function plainLines({ stderr, progressEveryMs }) {
  const seconds = stopwatch();
  return {
    everyMs: progressEveryMs,
    show: (title) => stderr.write(`${title} ...\n`),
    again: (title) => stderr.write(`  ${seconds()}, still: ${title}\n`),
    end: (_, mark) => stderr.write(`  ${mark} ${seconds()}\n`),
  };
}

function stopwatch() {
  const startedAt = performance.now();
  return () => `${Math.round((performance.now() - startedAt) / 1000)} s`;
}
