/** The stack's back as a process of its own: the functions that a queue feeds, and those that a schedule calls. */
import { GetQueueAttributesCommand, SQSClient } from "@aws-sdk/client-sqs";
import { consumers, schedules } from "../functions/routes.ts";
import { consumerConcurrency, functionSeconds } from "../infra/settings.ts";
import { lambdas } from "./lambda.ts";
import { startMapping } from "./mapping.ts";

const { FIRSTCOME_LOCAL_BUNDLES = "", FIRSTCOME_LOCAL_CONFIRMATIONS = "", FIRSTCOME_LOCAL_SQS = "" } = process.env;

const consumer = lambdas(FIRSTCOME_LOCAL_BUNDLES, functionSeconds.consumer);
const jobs = lambdas(FIRSTCOME_LOCAL_BUNDLES, functionSeconds.schedule);
const sqs = new SQSClient({ endpoint: FIRSTCOME_LOCAL_SQS, useQueueUrlAsEndpoint: false });

const { Attributes = {} } = await sqs.send(
  new GetQueueAttributesCommand({ QueueUrl: FIRSTCOME_LOCAL_CONFIRMATIONS, AttributeNames: ["QueueArn"] }),
);
await consumer.load(consumers.confirmations);

const mapping = startMapping({
  sqs,
  queueUrl: FIRSTCOME_LOCAL_CONFIRMATIONS,
  queueArn: Attributes.QueueArn ?? "",
  invoke: (event) => consumer.invoke(consumers.confirmations, event),
  concurrency: consumerConcurrency.local,
});

const UNIT_MS = { minute: 60_000, minutes: 60_000, hour: 3_600_000, hours: 3_600_000 };

/** A rate as EventBridge writes it: `1 minute`, `5 minutes`. */
function rateMs(rate: string): number {
  const [, count = "", unit = ""] = /^(\d+) (minutes?|hours?)$/.exec(rate) ?? [];
  if (count === "") throw new Error(`"${rate}" is no rate`);
  return Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS];
}

for (const { file, rate } of Object.values(schedules)) {
  setInterval(() => {
    jobs
      .invoke(file, {})
      .catch((error) => console.log(JSON.stringify({ event: "schedule-failed", file, error: String(error) })));
  }, rateMs(rate));
}

let redisPid: number | undefined;
process.on("message", (message: { redisPid?: number }) => {
  redisPid = message.redisPid;
});
process.on("disconnect", () => {
  // The stack was killed: nobody else is left to end the Redis that it started.
  try {
    if (redisPid !== undefined) process.kill(redisPid, "SIGTERM");
  } catch {
    // It is gone already.
  }
  process.exit(0);
});
process.on("SIGTERM", async () => {
  setTimeout(() => process.exit(0), 2_000).unref();
  await mapping.stop();
  process.exit(0);
});
process.send?.({ ready: true });
