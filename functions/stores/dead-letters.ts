import { openQueue } from "../../core/doors/sqs.ts";
import { settings } from "./settings.ts";
import { timed } from "./timed.ts";

/** Where confirmations go that can never be written. */
export const deadLetters = timed("queue", openQueue(settings.deadLetters()));
