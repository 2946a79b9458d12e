import { openQueue } from "../../core/doors/sqs.ts";
import { settings } from "./settings.ts";

/** The queue that carries confirmations to the persister. */
export const confirmations = openQueue(settings.confirmations());
