import { openQueue } from "../../core/doors/sqs.ts";
import { settings } from "./settings.ts";
import { timed } from "./timed.ts";

/** The queue that carries batches of product events to the rankings. */
export const events = timed("queue", openQueue(settings.events()));
