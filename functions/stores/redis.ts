import { openRedis } from "../../core/doors/redis.ts";
import { settings } from "./settings.ts";
import { timed } from "./timed.ts";

/** This container's connection; it connects while the function initialises. */
export const redis = timed("redis", openRedis(settings.redis()));
