import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Evaluation } from "./graph.ts";
import { run } from "./platform.ts";

/** Who signs the tokens, with the path that many issuers have. */
export const ISSUER = "https://tokens.example.com/shop";

/** Where the stage is. */
export const REGION = "ap-northeast-2";

/** What an owner would say in `.env.<stage>`, and the secrets: made up, so that a check depends on no file of this machine. */
const environment = {
  FIRSTCOME_TOKEN_ISSUER: ISSUER,
  FIRSTCOME_CERTIFICATE: "",
  FIRSTCOME_TOKEN_AUDIENCES: "shop",
  FIRSTCOME_ALARM_EMAIL: "somebody@example.com",
  FIRSTCOME_REGION: REGION,
  FIRSTCOME_EXPECTED_PEAK_PER_SECOND: "",
  SST_SECRET_CouponSecret: "a-secret",
  SST_SECRET_RoomKeys: "first:a-key",
};

/**
 * What an owner may say or leave out is said for staging only: both ways are looked at. Pages of another origin that may call, a
 * domain, and a client of the console's own at an issuer whose tokens come from elsewhere.
 */
const optional: Readonly<Record<string, string>> = {
  FIRSTCOME_ORIGINS: "https://shop.example.com",
  FIRSTCOME_DOMAIN: "coupons.example.com",
  FIRSTCOME_CONSOLE_CLIENT_ID: "console",
  FIRSTCOME_CONSOLE_CONNECTS: "https://login.example.com",
};

/** The optional variable as it is said for a stage; empty where it is left out. */
export const saidFor = (stage: string, variable: string): string =>
  stage === "staging" ? (optional[variable] ?? "") : "";

/** Evaluates the program for a stage in a process of its own. */
export async function evaluateStage(
  root: string,
  platform: string,
  stage: string,
  isDev: boolean,
): Promise<Evaluation> {
  const folder = mkdtempSync(join(tmpdir(), "firstcome-graph-"));
  const file = join(folder, "graph.json");
  try {
    const program = [join(root, "local/infra/evaluate.ts"), root, platform, stage, isDev ? "dev" : "live", file];
    const { output } = await run(process.execPath, program, root, {
      ...environment,
      ...Object.fromEntries(Object.keys(optional).map((name) => [name, saidFor(stage, name)])),
    });
    try {
      return JSON.parse(readFileSync(file, "utf8")) as Evaluation;
    } catch {
      throw new Error(`The program of ${stage} was not evaluated:\n${output.slice(-3_000)}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
