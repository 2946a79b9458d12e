import type { Event } from "./event.ts";
import { knobsOf, valuesOf } from "./knobs.ts";
import { type Options, usersOf } from "./options.ts";
import { type Plan, plansOf } from "./plan.ts";
import { costOf } from "./prices.ts";
import type { Run } from "./run.ts";
import { type Sensitivity, sensitivities } from "./sensitivity.ts";
import { simulate } from "./simulate.ts";

export interface Predicted {
  readonly plan: Plan;
  readonly run: Run;
  readonly cost: ReturnType<typeof costOf>;
}

export interface Prediction {
  readonly event: Event;
  readonly region: string;
  readonly instance: string;
  readonly ways: readonly Predicted[];
  /** How the direct ways change when a figure is off by two. */
  readonly sensitivity: readonly { readonly way: string; readonly figures: readonly Sensitivity[] }[];
}

/** The ways whose figures are varied: behind a room the parts are asked for less. */
const VARIED: readonly string[] = ["as deployed", "prepared"];

export function predict(options: Options): Prediction[] {
  const { region, stock, watchers } = options;
  const knobs = knobsOf(region);
  const values = valuesOf(knobs);
  return options.instances.flatMap((instance) =>
    options.peaks.map((peak): Prediction => {
      const event = { peak, users: usersOf(options, peak), stock, watchers };
      const ways = plansOf({ event, region, knobs: values, instance }).map((plan) => {
        const run = simulate(event, plan, values);
        return { plan, run, cost: costOf(run, plan, values, region) };
      });
      const sensitivity = ways
        .filter(({ plan }) => VARIED.includes(plan.name))
        .map(({ plan }) => ({ way: plan.name, figures: sensitivities({ event, plan, region, knobs, values }) }));
      return { event, region, instance, ways, sensitivity };
    }),
  );
}
