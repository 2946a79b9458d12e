import { parseArgs } from "node:util";
import { stages } from "../../infra/stages.ts";
import { wholeNumber } from "../option-values.ts";
import { nodeNames, nodeOf } from "./knobs.ts";

export interface Options {
  readonly peaks: readonly number[];
  readonly users: number | undefined;
  readonly stock: number;
  readonly watchers: number;
  readonly region: string;
  readonly instances: readonly string[];
  readonly measure: boolean;
  readonly validate: boolean;
  readonly json?: string;
}

export type Parsed = { options: Options } | { help: true } | { mistake: string };

const MOST = 100_000_000;
/** As in the opening that the README speaks of: 500,000 people for 10,000 coupons. */
const USERS_PER_COUPON = 50;

export const USAGE = `npm run model -- [options]

Predicts an opening in AWS on paper: what stands in production today, and what the capacity gate asks for, each without and with a
waiting room. Counts with the unit costs that were measured here (local/model/units.ts), AWS's quotas and our sizes (infra/), and
assumptions, all of which are printed with how the answer changes when they are off by two. Nothing is deployed, AWS is not asked.

  --peak N,N        people in the first second, one prediction each (10000,100000)
  --users N         people in all (${USERS_PER_COUPON} for each coupon)
  --stock N         coupons (10000)
  --watchers N      people who only look on (0)
  --region NAME     AWS region (ap-northeast-2)
  --redis TYPE,…    node type (${stages.production.redis.instance}): ${nodeNames.join(", ")}
  --measure         measure the unit costs here now, beside the stored ones; half a minute, nothing else
  --validate        hold one rush on this machine and compare Redis's own figures with what the model says; nothing else
  --json FILE       write everything as JSON
  --help            this text

Exit status: 0 predicted, 1 could not measure, 2 an option is wrong.
`;

export function parseOptions(argv: readonly string[]): Parsed {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        peak: { type: "string", default: "10000,100000" },
        users: { type: "string" },
        stock: { type: "string", default: "10000" },
        watchers: { type: "string", default: "0" },
        region: { type: "string", default: "ap-northeast-2" },
        redis: { type: "string", default: stages.production.redis.instance },
        measure: { type: "boolean", default: false },
        validate: { type: "boolean", default: false },
        json: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) return { help: true };
    if (!/^[a-z]{2}(-[a-z]+)+-\d$/.test(values.region)) throw new Error(`"${values.region}" is no AWS region.`);
    const instances = values.redis.split(",");
    for (const instance of instances) nodeOf(instance);
    const stock = wholeNumber("--stock", values.stock, 1, 10_000_000);
    return {
      options: {
        peaks: values.peak.split(",").map((peak) => wholeNumber("--peak", peak, 1, 1_000_000)),
        users: values.users === undefined ? undefined : wholeNumber("--users", values.users, 1, MOST),
        ...{ stock, instances, region: values.region },
        watchers: wholeNumber("--watchers", values.watchers, 0, MOST),
        measure: values.measure,
        validate: values.validate,
        ...(values.json === undefined ? {} : { json: values.json }),
      },
    };
  } catch (error) {
    return { mistake: error instanceof Error ? error.message : String(error) };
  }
}

/** Who comes where nobody was told how many: fifty for each coupon, and no fewer than come in the first second. */
export function usersOf({ users, stock }: Pick<Options, "users" | "stock">, peak: number): number {
  return Math.max(peak, users ?? USERS_PER_COUPON * stock);
}
