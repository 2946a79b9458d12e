import { openQueue } from "../../core/doors/sqs.ts";
import { settings } from "./settings.ts";

/** The queue that carries batches of product events to the rankings. */
export const events = openQueue(settings.events());
