import { schedules as list } from "../functions/routes.ts";
import { componentName } from "./function-list.ts";
import { functionOf } from "./functions.ts";

/** What runs by the clock, by EventBridge Scheduler: once a minute at its finest, exact to a minute. */
for (const [name, { file, rate, input }] of Object.entries(list)) {
  new sst.aws.CronV2(`${componentName(name)}Schedule`, {
    schedule: `rate(${rate})`,
    function: $util.output(functionOf(file).targetArn),
    event: input,
  });
}
