import type { Server } from "node:http";

/**
 * Runs a server as a process of its own, on the loopback: prints one line of JSON with its endpoint when it listens, and ends with
 * its parent.
 *
 * @param port 0 or nothing for a free one
 */
export function runEmulator(server: Server, port: string | undefined): void {
  const stop = () => {
    server.close(() => process.exit(0));
    server.closeAllConnections();
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  process.on("disconnect", () => process.exit(0));
  server.keepAliveTimeout = 60_000;
  server.listen(Number(port ?? 0), "127.0.0.1", () => {
    const address = server.address();
    const taken = typeof address === "object" && address ? address.port : 0;
    console.log(JSON.stringify({ endpoint: `http://127.0.0.1:${taken}` }));
    process.send?.({ ready: true });
  });
}
