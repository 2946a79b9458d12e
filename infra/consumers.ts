import { consumers as files } from "../functions/routes.ts";
import { deployed } from "./deployed.ts";
import { functionOf } from "./functions.ts";
import { queues } from "./queues.ts";

/** What takes messages off a queue. A batch may fail in part: only what the function names as failed comes again. */
for (const [queue, file] of Object.entries(files)) {
  const from = queues[queue];
  if (!from)
    throw new Error(`functions/routes.ts has a consumer of "${queue}", which is no queue of infra/settings.ts.`);
  from.subscribe($util.output(functionOf(file).targetArn), {
    batch: { size: 10, partialResponses: true },
    transform: {
      eventSourceMapping: (args) => {
        args.scalingConfig = { maximumConcurrency: deployed.sizes.consumersAtOnce };
      },
    },
  });
}
