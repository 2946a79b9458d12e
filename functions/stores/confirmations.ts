import { openQueue } from "../../core/doors/sqs.ts";
import { settings } from "./settings.ts";
import { timed } from "./timed.ts";

/** The queue that carries confirmations to the persister. */
export const confirmations = timed("queue", openQueue(settings.confirmations()));
