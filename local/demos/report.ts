import * as z from "zod/mini";

/** A command's own verdict, as it writes it with `--json` (local/rush/as-json.ts). */

export interface Verdict {
  /** Such as `G1`; `API` where the contract is what held or did not. */
  readonly guarantee: string;
  readonly text: string;
  readonly holds: boolean;
  /** What was looked at, in figures. */
  readonly note: string;
}

export interface Report {
  readonly holds: boolean;
  readonly verdict: readonly Verdict[];
}

const reportSchema = z.object({
  holds: z.boolean(),
  verdict: z.array(z.object({ id: z.string(), title: z.string(), holds: z.boolean(), note: z.string() })),
});

/** @returns undefined where the command came to no verdict */
export function readReport(json: string): Report | undefined {
  let raw: unknown;
  try {
    raw = JSON.parse(json);
  } catch {
    return undefined;
  }
  const read = z.safeParse(reportSchema, raw);
  if (!read.success) return undefined;
  const { holds, verdict } = read.data;
  return {
    holds,
    verdict: verdict.map(({ id, title, ...rest }) => ({ guarantee: id, text: title, ...rest })),
  };
}
