// Loaded by every process of a stack ahead of all else: in the one that runs the functions that answer it burns most of the
// event loop's time, as a handler that computes would.
const BURN_MS = 24;
const REST_MS = 1;

if (process.argv[1]?.endsWith("local/api.ts")) {
  setInterval(() => {
    const until = performance.now() + BURN_MS;
    while (performance.now() < until);
  }, REST_MS).unref();
}
