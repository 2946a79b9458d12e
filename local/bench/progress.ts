const SHOWN_AFTER_MS = 1_000;

export interface Progress {
  /** Does one step; one that takes more than a second gets a line, so that nobody wonders whether it still runs. */
  step<T>(name: string, work: () => Promise<T>): Promise<T>;
}

export function openProgress(stream: NodeJS.WritableStream): Progress {
  return {
    async step(name, work) {
      const startedAt = performance.now();
      const seconds = () => (performance.now() - startedAt) / 1_000;
      let isShown = false;
      const timer = setTimeout(() => {
        isShown = true;
        stream.write(`  … ${name}\n`);
      }, SHOWN_AFTER_MS);
      try {
        return await work();
      } finally {
        clearTimeout(timer);
        // A step that kept this process busy had no chance to say so before.
        if (!isShown && seconds() * 1_000 > SHOWN_AFTER_MS) stream.write(`  ✓ ${name} (${seconds().toFixed(1)} s)\n`);
      }
    },
  };
}
