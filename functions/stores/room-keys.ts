import { readKeys } from "../../core/rooms/token.ts";
import { settings } from "./settings.ts";

/** Keys of waiting rooms' tickets and passes. Read while the function initialises, so that bad ones stop a deployment. */
export const roomKeys = readKeys(settings.roomKeys());
