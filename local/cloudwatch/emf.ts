/** The embedded metric format: log lines that CloudWatch reads metrics from. */

/** One value of one series, as a line gives it. */
export interface Figure {
  readonly namespace: string;
  readonly metric: string;
  readonly dimensions: Readonly<Record<string, string>>;
  /** Seconds since 1970 of the second, or of the minute, that the value is kept under. */
  readonly second: number;
  readonly values: readonly number[];
}

const isObject = (it: unknown): it is Record<string, unknown> =>
  typeof it === "object" && it !== null && !Array.isArray(it);
const listOf = (it: unknown): readonly unknown[] => (Array.isArray(it) ? it : []);

/** A dimension set names members of the line; each must be there as text, or the set names no series. */
function dimensionsOf(root: Record<string, unknown>, set: unknown): Record<string, string> | undefined {
  const entries = listOf(set).map((name) => [String(name), root[String(name)]] as const);
  if (!entries.every(([, value]) => typeof value === "string")) return undefined;
  return Object.fromEntries(entries) as Record<string, string>;
}

function valuesOf(it: unknown): number[] {
  const values = Array.isArray(it) ? it : [it];
  return values.filter((value): value is number => typeof value === "number" && Number.isFinite(value));
}

/** Reads the figures of a line. @returns none where it is no line of this format */
export function figuresOf(line: string): Figure[] {
  let root: unknown;
  try {
    root = JSON.parse(line);
  } catch {
    return [];
  }
  if (!isObject(root) || !isObject(root._aws) || typeof root._aws.Timestamp !== "number") return [];
  const { Timestamp, CloudWatchMetrics } = root._aws;
  const at = Math.floor(Number(Timestamp) / 1_000);
  const figures: Figure[] = [];
  for (const directive of listOf(CloudWatchMetrics).filter(isObject)) {
    const sets = listOf(directive.Dimensions).map((set) => dimensionsOf(root, set));
    for (const { Name, StorageResolution } of listOf(directive.Metrics).filter(isObject)) {
      const metric = String(Name);
      const values = valuesOf(root[metric]);
      if (values.length === 0) continue;
      const second = StorageResolution === 1 ? at : at - (at % 60);
      for (const dimensions of sets) {
        if (dimensions)
          figures.push({ ...{ namespace: String(directive.Namespace), metric, dimensions, second, values } });
      }
    }
  }
  return figures;
}
