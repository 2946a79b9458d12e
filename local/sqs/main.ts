import { fstatSync } from "node:fs";
import { parseArgs } from "node:util";
import { startSqs } from "./server.ts";

/**
 * Runs the local SQS as a process of its own: `node local/sqs/main.ts [--port N] [--data DIR] [--region R]`.
 * It prints one line of JSON with its endpoint when it is ready, and does not outlive the process that
 * started it: it ends when the IPC channel or a pipe on its standard input is closed.
 *
 * Over the IPC channel it takes `{ advanceMs }`, which moves its clock forward: visibility timeouts and
 * deduplication ids run out as if that time had passed. A process that is started anew goes by the real
 * clock again.
 */
const { values } = parseArgs({
  options: { port: { type: "string" }, data: { type: "string" }, region: { type: "string" } },
});

let aheadMs = 0;

const sqs = await startSqs({
  now: () => Date.now() + aheadMs,
  ...(values.port === undefined ? {} : { port: Number(values.port) }),
  ...(values.data === undefined ? {} : { dataDir: values.data }),
  ...(values.region === undefined ? {} : { region: values.region }),
});

let stopping = false;

async function stop(): Promise<void> {
  if (!stopping) {
    stopping = true;
    await sqs.stop();
    process.exit(0);
  }
}

process.on("SIGTERM", stop);
process.on("SIGINT", stop);
if (process.send !== undefined) {
  process.on("disconnect", stop);
  process.on("message", ({ advanceMs = 0 }: { advanceMs?: number }) => {
    aheadMs += advanceMs;
    sqs.clockMoved();
  });
}
if (standardInputIsAPipe()) {
  process.stdin.on("close", stop).on("end", stop).on("error", stop).resume();
}
console.log(JSON.stringify({ endpoint: sqs.endpoint }));

/** A terminal or /dev/null says nothing of the parent; the end of a pipe tells that it has gone. */
function standardInputIsAPipe(): boolean {
  try {
    const input = fstatSync(0);
    return input.isFIFO() || input.isSocket();
  } catch {
    return false;
  }
}
