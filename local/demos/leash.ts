/**
 * Loaded before a demo's program (`node --import`): ties it to the API's process, which has started it. When that one is gone,
 * however it went, the program is asked to end, as Ctrl-C would ask it, so that it also stops what it has started itself.
 */

/** How long it may take to end. The shop stops a stack of its own: five parts, of which each may take three seconds. */
const INSIST_MS = 20_000;

// Nobody reads any more then. A write that fails must not end the program before it has tidied up.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
// What the tie is for must not be what keeps the program from ending.
process.channel?.unref();
process.once("disconnect", () => {
  process.kill(process.pid, "SIGTERM");
  setTimeout(() => process.exit(1), INSIST_MS).unref();
});
