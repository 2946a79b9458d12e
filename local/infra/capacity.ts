/** `npm run capacity`: what an event asks of each part, and which breaks first. */
import { parseArgs } from "node:util";
import { type Capacity, capacity } from "../../infra/capacity.ts";
import { costs } from "../../infra/quotas.ts";
import { stages } from "../../infra/stages.ts";
import { wholeNumber } from "../option-values.ts";

const usage = `npm run capacity -- [options]

Says for an expected event what each part of the production stage is asked for and what it has, the tightest first. Arithmetic
with AWS's quotas and our own figures (infra/quotas.ts): nothing is measured, and AWS is not asked.

  --peak N              requests for a coupon in the busiest second (1000)
  --stock N             coupons (10000)
  --watchers N          people who only look on (0): the edge answers nearly all
  --region NAME         AWS region (ap-northeast-2)
  --warm N              environments of issue-coupon that are kept ready (0)
  --gateway-per-second N, --lambda-at-once N
                        quotas that AWS has raised for the account
  --help                this text

Exit status: 0 nothing breaks, 1 something does, 2 an option is wrong.
`;

const MOST = 100_000_000;

function read(argv: readonly string[]) {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      peak: { type: "string", default: "1000" },
      stock: { type: "string", default: "10000" },
      watchers: { type: "string", default: "0" },
      warm: { type: "string", default: "0" },
      region: { type: "string", default: "ap-northeast-2" },
      "gateway-per-second": { type: "string", default: "0" },
      "lambda-at-once": { type: "string", default: "0" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (!/^[a-z]{2}(-[a-z]+)+-\d$/.test(values.region)) throw new Error(`"${values.region}" is no AWS region.`);
  const count = (name: "peak" | "stock" | "watchers" | "warm" | "gateway-per-second" | "lambda-at-once") =>
    wholeNumber(`--${name}`, values[name], 0, MOST);
  return {
    help: values.help,
    expected: {
      expectedPeakPerSecond: count("peak"),
      stock: count("stock"),
      watchers: count("watchers"),
      region: values.region,
    },
    sizes: { ...stages.production, warmIssuers: count("warm") },
    raised: { gatewayPerSecond: count("gateway-per-second"), lambdaAtOnce: count("lambda-at-once") },
  };
}

const number = (value: number) => value.toLocaleString("en-US");

function text({ watching, lines, breaksFirst }: Capacity): string {
  const width = Math.max(...lines.map(({ part }) => part.length));
  const rows = lines.map(
    ({ part, needs, has, unit, source, breaks }) =>
      `${breaks ? "BREAKS" : "holds "}  ${part.padEnd(width)}  ${number(needs).padStart(9)} of ${number(has).padStart(9)}  ${unit} (${source})`,
  );
  const fixes = lines.filter(({ breaks }) => breaks).map(({ part, fix }) => `${part}: ${fix}`);
  const verdict = breaksFirst ? `Breaks first: ${breaksFirst.part}.` : "Nothing breaks.";
  const { asked, passedOn } = watching;
  const edge =
    asked === 0
      ? []
      : [
          `Of ${number(asked)} requests a second by those who look on, the edge passes on ${number(passedOn)}, while nobody goes round its caches.`,
        ];
  return [...rows, "", ...edge, verdict, ...fixes].join("\n");
}

try {
  const { help, expected, sizes, raised } = read(process.argv.slice(2));
  if (help) console.log(usage);
  else {
    const verdict = capacity(expected, sizes, raised);
    const assumed = Object.values(costs).some(({ source }) => source.startsWith("assumed"));
    console.log(text(verdict));
    if (assumed) console.log("\nTimes of functions are assumed until a stage is measured: infra/quotas.ts.");
    if (verdict.breaksFirst) process.exitCode = 1;
  }
} catch (error) {
  console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  process.exitCode = 2;
}
