import type { Call } from "../calls.ts";
import type { Ending, ShownPlace } from "../ground.ts";
import type { Loss, Sample, Silence } from "../sampler.ts";

/** What a crowd leaves behind. Times are of one steady clock, in milliseconds, but for the samples' own. */
export interface Evidence {
  readonly rules: {
    readonly capacity: number;
    /** People per second. */
    readonly rate: number;
    readonly heartbeatMs: number;
    readonly passMs: number;
    readonly stock: number;
  };
  readonly samples: readonly Sample[];
  /** Nobody can foretell them; passes of before are void, and while Redis is away a schedule cannot end well. */
  readonly losses: readonly Loss[];
  readonly calls: readonly Call[];
  readonly places: readonly ShownPlace[];
  readonly silences: readonly Silence[];
  readonly endings: readonly Ending[];
  /** Who holds which ticket of the campaign, by the ledger. */
  readonly holders: readonly { readonly userId: string; readonly ticket: number }[];
  readonly schedules: { readonly runs: number; readonly failures: readonly string[] };
}

/** Whether the room was lost between two times, or came back in that time. */
export function isThroughLoss(losses: readonly Loss[], from: number, to: number): boolean {
  return losses.some((loss) => loss.from <= to && loss.to >= from);
}

export interface Violation {
  readonly user?: string;
  readonly number?: number;
  readonly what: string;
}

/** What one look at the evidence came to. */
export interface Judged {
  readonly violations: readonly Violation[];
  /** What was looked at, in figures. */
  readonly note: string;
}

/** Somebody under one number: all that they were told of it, as it was sent. */
export interface Stint {
  readonly user: string;
  readonly number: number;
  readonly told: readonly Told[];
  /** The first answer that said they are inside. */
  readonly admitted: Told | undefined;
}

export type Told = Call & { readonly ticket: NonNullable<Call["ticket"]> };

/** Every user's stints, in the order in which they were first told of them. */
export function stintsOf(calls: readonly Call[]): Map<string, Stint[]> {
  const told = calls.filter((call): call is Told => call.ticket !== undefined).sort((a, b) => a.sentAt - b.sentAt);
  const byUser = new Map<string, Stint[]>();
  for (const [user, theirs] of Map.groupBy(told, (call) => call.user)) {
    const byNumber = Map.groupBy(theirs, ({ ticket }) => ticket.number);
    const stints = [...byNumber].map(([number, same]) => {
      const inside = same.filter(({ ticket }) => ticket.state === "admitted");
      const admitted = inside.reduce<Told | undefined>(
        (first, call) => (first && first.answeredAt <= call.answeredAt ? first : call),
        undefined,
      );
      return { user, number, told: same, admitted };
    });
    byUser.set(user, stints);
  }
  return byUser;
}

/** The value at a share of a sorted list; undefined of an empty one. */
export function quantile(sorted: readonly number[], share: number): number | undefined {
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))];
}
