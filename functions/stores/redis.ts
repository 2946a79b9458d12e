import { openRedis } from "../../core/doors/redis.ts";
import { settings } from "./settings.ts";

/** This container's connection; it connects while the function initialises. */
export const redis = openRedis(settings.redis());
