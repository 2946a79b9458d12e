/** The stack's front as a process of its own: the gateway and every function that answers requests. */

import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod/mini";
import { type ProxyResult, problem } from "../functions/http/answer.ts";
import { invalid, readPart } from "../functions/http/request.ts";
import { routes, schedules } from "../functions/routes.ts";
import { functionSeconds } from "../infra/settings.ts";
import { consoleFiles } from "./console.ts";
import { openDemos, refusal } from "./demos/demos.ts";
import { isOwnPage } from "./demos/own-page.ts";
import { gatewayServer, type LocalResult } from "./gateway.ts";
import { lambdas } from "./lambda.ts";
import { tokens as openTokens } from "./tokens.ts";

const {
  FIRSTCOME_LOCAL_BUNDLES = "",
  FIRSTCOME_LOCAL_CONSOLE = "",
  FIRSTCOME_LOCAL_PORT = "0",
  FIRSTCOME_LOCAL_SIGNING_KEY = "",
  FIRSTCOME_LOCAL_STACK = "",
} = process.env;

const api = lambdas(FIRSTCOME_LOCAL_BUNDLES, functionSeconds.api);
const jobs = lambdas(FIRSTCOME_LOCAL_BUNDLES, functionSeconds.schedule);
const tokens = await openTokens(FIRSTCOME_LOCAL_SIGNING_KEY);
const demos = openDemos({ stackFile: FIRSTCOME_LOCAL_STACK, api: `http://127.0.0.1:${FIRSTCOME_LOCAL_PORT}` });
const serveConsole = consoleFiles(FIRSTCOME_LOCAL_CONSOLE, randomUUID);

const tokensBody = z.strictObject({
  subjects: z.array(z.string().check(z.minLength(1), z.maxLength(255))).check(z.minLength(1), z.maxLength(10_000)),
  scope: z.optional(z.string().check(z.maxLength(200))),
});

const json = (body: unknown): ProxyResult => ({
  statusCode: 200,
  headers: { "content-type": "application/json", "x-request-id": randomUUID() },
  body: JSON.stringify(body),
});

async function mintTokens(body: Buffer): Promise<ProxyResult> {
  let raw: unknown;
  try {
    raw = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    raw = undefined;
  }
  const read = readPart(tokensBody, raw, "body");
  if ("issues" in read) return problem(invalid(read.issues), randomUUID(), 0);
  const { subjects, scope } = read.value;
  const minted = await Promise.all(
    subjects.map(async (subject) => [subject, await tokens.mint(subject, scope)] as const),
  );
  return json({ tokens: Object.fromEntries(minted) });
}

async function runSchedule(name: string): Promise<ProxyResult> {
  if (!Object.hasOwn(schedules, name)) {
    const detail = `There is no schedule "${name.slice(0, 40)}"; there is ${Object.keys(schedules).join(", ")}.`;
    return problem({ word: "unknown", detail }, randomUUID(), 0);
  }
  return json(await jobs.invoke(schedules[name as keyof typeof schedules].file, {}));
}

async function local(
  request: IncomingMessage,
  path: string,
  body: () => Promise<Buffer>,
): Promise<LocalResult | undefined> {
  const file = serveConsole(request, path);
  if (file) return file;
  if (!path.startsWith("/_local/")) return undefined;
  if (!isOwnPage(request.headers)) {
    const detail = "The stack's own routes are for its own pages, and for programs on this machine.";
    return refusal("forbidden", "Not from another site's page", detail);
  }
  const demo = await demos.answer(request.method ?? "GET", path, body);
  if (demo) return demo;
  const [, schedule] = /^\/_local\/schedules\/([^/]+)\/run$/.exec(path) ?? [];
  if (path !== "/_local/tokens" && schedule === undefined) return undefined;
  if (request.method !== "POST") {
    return problem({ word: "method-not-allowed", detail: "This path takes POST." }, randomUUID(), 0, { allow: "POST" });
  }
  return schedule === undefined ? mintTokens(await body()) : runSchedule(schedule);
}

const server = gatewayServer({ routes, lambdas: api, tokens, local });

process.on("disconnect", () => process.exit(0));
process.on("SIGTERM", async () => {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  // Sooner than the stack insists. A demo that takes longer to tidy up goes on by itself: see demos/leash.ts.
  await Promise.all([Promise.race([closed, sleep(1_000)]), Promise.race([demos.end(), sleep(2_500)])]);
  process.exit(0);
});
server.once("error", (error) => process.send?.({ error: error.message }));
server.listen(Number(FIRSTCOME_LOCAL_PORT), "127.0.0.1", async () => {
  // Loaded ahead, so that the first requests of a rush are not each a cold start in the same process.
  await Promise.all([...routes.map((route) => api.load(route.file)), api.load("fallback")]);
  process.send?.({ ready: true });
});
