import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Evaluation } from "./graph.ts";
import { run } from "./platform.ts";

/** What an owner would say in `.env.<stage>`, and the secrets: made up, so that a check depends on no file of this machine. */
const environment = {
  FIRSTCOME_TOKEN_ISSUER: "https://tokens.example.com",
  FIRSTCOME_TOKEN_AUDIENCES: "shop",
  FIRSTCOME_ALARM_EMAIL: "somebody@example.com",
  FIRSTCOME_REGION: "ap-northeast-2",
  FIRSTCOME_EXPECTED_PEAK_PER_SECOND: "",
  SST_SECRET_CouponSecret: "a-secret",
  SST_SECRET_RoomKeys: "first:a-key",
};

/** Only staging has pages of another origin that may call: both ways are looked at. */
export const originsOf = (stage: string): string => (stage === "staging" ? "https://shop.example.com" : "");

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
      FIRSTCOME_ORIGINS: originsOf(stage),
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
