/** The stack's back as a process of its own: the functions that a queue feeds, and those that a schedule calls. */
import { GetQueueAttributesCommand, SQSClient } from "@aws-sdk/client-sqs";
import { consumers, schedules } from "../functions/routes.ts";
import { consumerConcurrency, functionSeconds } from "../infra/settings.ts";
import { lambdas } from "./lambda.ts";
import { startMapping } from "./mapping.ts";

const { FIRSTCOME_LOCAL_BUNDLES = "", FIRSTCOME_LOCAL_QUEUES = "{}", FIRSTCOME_LOCAL_SQS = "" } = process.env;

const consumer = lambdas(FIRSTCOME_LOCAL_BUNDLES, functionSeconds.consumer);
const jobs = lambdas(FIRSTCOME_LOCAL_BUNDLES, functionSeconds.schedule);
const sqs = new SQSClient({ endpoint: FIRSTCOME_LOCAL_SQS, useQueueUrlAsEndpoint: false });
const queueUrls = JSON.parse(FIRSTCOME_LOCAL_QUEUES) as Record<keyof typeof consumers, string>;

const mappings = await Promise.all(
  Object.entries(consumers).map(async ([queue, file]) => {
    const QueueUrl = queueUrls[queue as keyof typeof consumers];
    const { Attributes = {} } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn"] }),
    );
    await consumer.load(file);
    return startMapping({
      sqs,
      queueUrl: QueueUrl,
      queueArn: Attributes.QueueArn ?? "",
      invoke: (event) => consumer.invoke(file, event),
      concurrency: consumerConcurrency.local,
    });
  }),
);

const UNIT_MS = { minute: 60_000, minutes: 60_000, hour: 3_600_000, hours: 3_600_000 };

/** A rate as EventBridge writes it: `1 minute`, `5 minutes`. */
function rateMs(rate: string): number {
  const [, count = "", unit = ""] = /^(\d+) (minutes?|hours?)$/.exec(rate) ?? [];
  if (count === "") throw new Error(`"${rate}" is no rate`);
  return Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS];
}

/** EventBridge's finest rate is a minute. A job that has nothing to watch is asked again sooner here: nobody waits a minute at a laptop. */
const ASK_AGAIN_MS = 2_000;

async function run(file: string, input: object): Promise<void> {
  try {
    await jobs.invoke(file, input);
  } catch (error) {
    console.log(JSON.stringify({ event: "schedule-failed", file, error: String(error) }));
  }
}

for (const { file, rate, input } of Object.values(schedules)) {
  const watches = "watchSeconds" in input;
  const again = async () => {
    await run(file, input);
    setTimeout(again, ASK_AGAIN_MS);
  };
  if (watches) again();
  else setInterval(() => run(file, input), rateMs(rate));
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
  await Promise.all(mappings.map((mapping) => mapping.stop()));
  process.exit(0);
});
process.send?.({ ready: true });
