import { closeSync, openSync } from "node:fs";
import { devNull } from "node:os";
import { join } from "node:path";
import { startProxy } from "../../chaos/proxy.ts";
import { Child, freePort, listens } from "../../child.ts";
import { ROOT } from "../../stack.ts";
import type { Slowing } from "./slow.ts";

/** How late each answer of the ledger is. Below `limits.ledgerAttemptMs`: it is slow, and not away. */
const DELAY_MS = 400;

/** The ledger behind a proxy that gives each of its answers late. */
export async function slowLedger(): Promise<Slowing> {
  const port = await freePort();
  const output = openSync(devNull, "w");
  const child = new Child({
    name: "dynamodb",
    command: process.execPath,
    args: [join(ROOT, "local/dynamodb/main.ts"), "--port", `${port}`],
    output,
    node: true,
    restartMs: 1_000,
    ready: listens(port),
  });
  await child.start();
  const proxy = await startProxy(port);
  return {
    env: { FIRSTCOME_DYNAMODB_ENDPOINT: `http://127.0.0.1:${proxy.port}` },
    begin: async () => proxy.delay(DELAY_MS),
    async end() {
      await proxy.stop();
      await child.stop();
      closeSync(output);
    },
  };
}
