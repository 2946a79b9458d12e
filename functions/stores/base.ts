import { log } from "../log.ts";
import { settings } from "./settings.ts";

/** What a verb needs beside stores. */
export const base = { now: () => Date.now(), log };

export const couponSecret = settings.couponSecret;
