import { consumers, fallbackFile, routes, schedules } from "../functions/routes.ts";
import { functionSeconds } from "./settings.ts";

/** Every function there is, by its file's name, with what calls it. Read from functions/routes.ts: nothing is listed twice. */

export type CalledBy = "api" | "consumer" | "schedule";

export interface FunctionEntry {
  /** The file in `functions/` without its ending; also the function's name behind `firstcome-<stage>-`. */
  readonly file: string;
  readonly calledBy: CalledBy;
  /** How long it may run. */
  readonly seconds: number;
}

const entry = (calledBy: CalledBy) => (file: string) => ({ file, calledBy, seconds: functionSeconds[calledBy] });

export const functionList: readonly FunctionEntry[] = [
  ...routes.map((route) => route.file).map(entry("api")),
  entry("api")(fallbackFile),
  ...Object.values(consumers).map(entry("consumer")),
  ...Object.values(schedules)
    .map((schedule) => schedule.file)
    .map(entry("schedule")),
];

/** `issue-coupon` as `IssueCoupon`: SST's names of components have no hyphens. */
export function componentName(file: string): string {
  return file.replace(/(?:^|-)([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
