import { openQueue } from "../../core/doors/sqs.ts";
import { settings } from "./settings.ts";

/** Where confirmations go that can never be written. */
export const deadLetters = openQueue(settings.deadLetters());
