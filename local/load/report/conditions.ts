/** A figure held against its threshold. */
export interface Condition {
  readonly holds: boolean;
  /** How far the figure is on its way: at least 1 when it holds. */
  readonly nearness: number;
  readonly text: string;
}

/** Conditions that hold together. */
export interface Way {
  readonly holds: boolean;
  readonly nearness: number;
  readonly because: string;
}

/** One rule, asked. */
export interface Finding<Part extends string> extends Way {
  readonly part: Part;
  /** Whether all that the rule needs was there. */
  readonly isAsked: boolean;
}

export const percent = (share: number): string => `${Math.round(share * 100)} %`;
export const two = (value: number): string => value.toFixed(2);
export const seconds = (value: number): string => (Number.isFinite(value) ? `${value.toFixed(1)} s` : "no end");

type Show = (value: number) => string;

/** Holds from a threshold on. */
export function from(what: string, value: number, least: number, show: Show): Condition {
  return { holds: value >= least, nearness: value / least, text: `${what} ${show(value)} (from ${show(least)})` };
}

/** Holds below a threshold. */
export function below(what: string, value: number, most: number, show: Show): Condition {
  const holds = value < most;
  return { holds, nearness: holds ? 1 : most / value, text: `${what} ${show(value)} (below ${show(most)})` };
}

/** All conditions together, with what else is worth a word. */
export function way(conditions: readonly Condition[], ...asides: readonly string[]): Way {
  return {
    holds: conditions.every(({ holds }) => holds),
    nearness: Math.min(...conditions.map(({ nearness }) => nearness)),
    because: [...conditions.map(({ text }) => text), ...asides].join("; "),
  };
}

/** A rule holds in one way or another. */
export function finding<Part extends string>(part: Part, ways: readonly Way[]): Finding<Part> {
  const found = ways.filter(({ holds }) => holds);
  const told = found.length > 0 ? found : ways;
  return {
    part,
    holds: found.length > 0,
    nearness: Math.max(...ways.map(({ nearness }) => nearness)),
    because: told.map(({ because }) => because).join(" · "),
    isAsked: true,
  };
}

/** A rule that cannot be asked. */
export function unasked<Part extends string>(part: Part, lack: string): Finding<Part> {
  return { part, holds: false, nearness: 0, because: `not asked, ${lack}`, isAsked: false };
}
