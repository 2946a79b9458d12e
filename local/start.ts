/** `npm start`: the stack, a sample campaign and board, and what to type next. */
import { join } from "node:path";
import { ROOT, type Stack, startStack } from "./stack.ts";

const USAGE = `npm start: the whole system on this machine.

  PORT=3000                        port of the API; 0 for a free one
  FIRSTCOME_DATA=<folder>          keep the state; without it every start is fresh
  FIRSTCOME_REDIS_URL=redis://…    use this Redis instead of starting one
  FIRSTCOME_SQS_ENDPOINT=http://…  use this SQS
  FIRSTCOME_DYNAMODB_ENDPOINT=…    use this DynamoDB
  FIRSTCOME_STACK=<file>           where to write what runs where (.local/stack.json)
  FIRSTCOME_RESTART_MS=1000        how long a killed part stays away
`;

if (process.argv.includes("--help")) {
  process.stdout.write(USAGE);
  process.exit(0);
}

const SAMPLE = "sample";

/** A step that lasts shows itself once a second; a quick one says nothing. */
function progress() {
  const startedAt = performance.now();
  let step = "";
  const timer = setInterval(() => {
    process.stdout.write(`  … ${step} (${((performance.now() - startedAt) / 1_000).toFixed(0)} s)\n`);
  }, 1_000);
  return {
    step: (next: string) => {
      step = next;
    },
    done: () => {
      clearInterval(timer);
      return `${((performance.now() - startedAt) / 1_000).toFixed(1)} s`;
    },
  };
}

async function send(method: string, url: string, body: unknown, headers: Record<string, string>): Promise<Response> {
  return fetch(url, {
    method,
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

/** What happened at the sample's shop: a board is shown best with something on it. */
const SAMPLE_EVENTS = [
  ...Array.from({ length: 30 }, (_, i) => ({ type: "view", productId: ["tea", "mug", "kettle"][i % 3] })),
  { type: "like", productId: "mug" },
  { type: "sale", productId: "tea", quantity: 2, amount: 2_400 },
  { type: "sale", productId: "kettle", quantity: 1, amount: 4_900 },
];
const SAMPLE_WEIGHTS = { view: 1, like: 5, cart: 10, sale: 50, revenue: 0 };

async function seed(api: string): Promise<void> {
  const answer = await send("POST", `${api}/_local/tokens`, { subjects: ["operator"], scope: "operator" }, {});
  const { tokens } = (await answer.json()) as { tokens: Record<string, string> };
  const authorization = `Bearer ${tokens.operator}`;
  const now = Date.now();
  const created = await send(
    "POST",
    `${api}/campaigns`,
    {
      campaignId: SAMPLE,
      name: "Sample: 100 coupons, first come",
      stock: 100,
      opensAt: new Date(now - 60_000).toISOString(),
      closesAt: new Date(now + 30 * 86_400_000).toISOString(),
      validDays: 30,
    },
    { authorization },
  );
  // With kept state the sample is there already, under other times.
  if (!created.ok && created.status !== 409)
    throw new Error(`The sample campaign was refused: ${await created.text()}`);

  const rules = { weights: SAMPLE_WEIGHTS, halfLifeHours: 24 };
  const put = await send("PUT", `${api}/boards/${SAMPLE}`, rules, { authorization });
  if (!put.ok) throw new Error(`The sample board was refused: ${await put.text()}`);
  const headers = { authorization, "idempotency-key": SAMPLE };
  const counted = await send("POST", `${api}/events`, { events: SAMPLE_EVENTS }, headers);
  if (!counted.ok) throw new Error(`The sample's events were refused: ${await counted.text()}`);
}

function banner({ file }: Stack, seconds: string): string {
  const { api } = file;
  const token = (name: string, extra = "") =>
    `$(curl -s ${api}/_local/tokens -d '{"subjects":["${name}"]${extra}}' | sed 's/.*":"\\([^"]*\\)".*/\\1/')`;
  const now = Date.now();
  const flash = JSON.stringify({
    campaignId: "flash",
    name: "Flash sale",
    stock: 1_000,
    opensAt: new Date(now).toISOString(),
    closesAt: new Date(now + 86_400_000).toISOString(),
  });
  const events = JSON.stringify({ events: [{ type: "sale", productId: "tea", quantity: 1, amount: 1_200 }] });
  const door = JSON.stringify({ capacity: 100, admitPerSecond: 1, passSeconds: 300 });
  return `
firstcome is ready (${seconds})

  console    ${file.console}
  API        ${api}  (${api}/openapi.json)
  Redis      ${file.redis}
  SQS        ${file.sqs}
  DynamoDB   ${file.dynamodb}
  log        ${file.log}

A shopper asks for a coupon of the campaign "${SAMPLE}", and looks it up:

  ALICE=${token("alice")}
  curl -s -X POST ${api}/campaigns/${SAMPLE}/coupons -H "Authorization: Bearer $ALICE"; echo
  curl -s ${api}/campaigns/${SAMPLE}/coupons/me -H "Authorization: Bearer $ALICE"; echo

Anyone sees the campaign; an operator creates another:

  curl -s ${api}/campaigns/${SAMPLE}; echo
  OPERATOR=${token("olga", ',"scope":"operator"')}
  curl -s ${api}/campaigns -H "Authorization: Bearer $OPERATOR" -d '${flash}'; echo

A waiting room that lets one in every second; a campaign with "roomId":"door" would ask for its pass:

  curl -s -X PUT ${api}/rooms/door -H "Authorization: Bearer $OPERATOR" -d '${door}'; echo
  curl -s -X POST ${api}/rooms/door/tickets -H "Authorization: Bearer $ALICE"; echo
  curl -s ${api}/rooms/door; echo

Product events are counted, once for each Idempotency-Key; the board "${SAMPLE}" is published every few seconds:

  curl -s ${api}/events -H "Authorization: Bearer $OPERATOR" -H 'Idempotency-Key: one' -d '${events}'; echo
  curl -s '${api}/boards/${SAMPLE}/top?window=1h'; echo
  curl -s '${api}/boards/${SAMPLE}/products/tea?window=24h'; echo

In another terminal: npm run rush -- --users 5000 --stock 500, npm run crowd, npm run shop      Ctrl-C stops everything.
`;
}

const shown = progress();
const { env } = process;
let starting: Promise<Stack> | undefined;
let stopping = false;
async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  // A stack that is still starting is let start first: stopping half of it would leave the other half behind.
  const stack = await starting?.catch(() => undefined);
  await stack?.stop();
  process.exit(0);
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);

try {
  const port = env.PORT === undefined || env.PORT === "" ? 3000 : Number(env.PORT);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(`PORT=${env.PORT} is no port; use 0…65535.`);
  starting = startStack({
    port,
    stackFile: env.FIRSTCOME_STACK || join(ROOT, ".local/stack.json"),
    redisServer: env.FIRSTCOME_REDIS_SERVER || undefined,
    redisUrl: env.FIRSTCOME_REDIS_URL || undefined,
    sqsEndpoint: env.FIRSTCOME_SQS_ENDPOINT || undefined,
    dynamodbEndpoint: env.FIRSTCOME_DYNAMODB_ENDPOINT || undefined,
    data: env.FIRSTCOME_DATA || undefined,
    restartMs: Number(env.FIRSTCOME_RESTART_MS || 1_000),
    progress: shown.step,
    seed,
  });
  const stack = await starting;
  if (!stopping) process.stdout.write(banner(stack, shown.done()));
} catch (error) {
  shown.done();
  if (!stopping) {
    process.stderr.write(`firstcome could not start: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
}
