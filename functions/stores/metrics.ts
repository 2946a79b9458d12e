import { openMetrics } from "../../core/doors/cloudwatch.ts";
import { settings } from "./settings.ts";
import { timed } from "./timed.ts";

/** Metrics that functions have written, to be read again. */
export const metrics = timed("metrics", openMetrics(settings.metrics()));
