/**
 * CloudWatch's metrics for the laptop as a process of its own: GetMetricData over what the functions have written into the log.
 * `--log FILE` is that log. Prints one line of JSON with its endpoint when it listens; ends with its parent.
 */
import { parseArgs } from "node:util";
import { cloudwatchServer } from "./server.ts";

const { values } = parseArgs({ options: { port: { type: "string" }, log: { type: "string" } } });
const server = cloudwatchServer(values.log ?? "");
const stop = () => {
  server.close(() => process.exit(0));
  server.closeAllConnections();
};
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
process.on("disconnect", () => process.exit(0));
server.keepAliveTimeout = 60_000;
server.listen(Number(values.port ?? 0), "127.0.0.1", () => {
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  console.log(JSON.stringify({ endpoint: `http://127.0.0.1:${port}` }));
  process.send?.({ ready: true });
});
