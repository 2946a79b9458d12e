import { openMetrics } from "../../core/doors/cloudwatch.ts";
import { settings } from "./settings.ts";

/** Metrics that functions have written, to be read again. */
export const metrics = openMetrics(settings.metrics());
