// The API's words, read from its answers. The same words as in core/words.ts, which a load script must not import.

const SUCCESS = { 200: "replayed", 201: "issued", 202: "accepted" };

/** Refusals that a burst may meet, with the status that each must have. */
const REFUSAL = { "sold-out": 409, throttled: 429, paused: 503, recovering: 503, unavailable: 503 };

/** Every word that a user who asks for a coupon may be told during a burst. */
export const WORDS = [...Object.values(SUCCESS), ...Object.keys(REFUSAL)];

/**
 * Reads the answer to a request for a coupon.
 *
 * @returns {{ word?: string, coupon?: object, isFinal: boolean }} No word: not an answer that the contract allows here.
 *   Not final: whether there is a coupon cannot be told from it, as after a timeout or a 503.
 */
export function readAnswer(response) {
  const isFinal = response.status > 0 && response.status < 500;
  const body = parse(response.body);
  const success = SUCCESS[response.status];
  if (success) return body?.couponId && body.ticket > 0 ? { word: success, coupon: body, isFinal } : { isFinal };
  const isKnown = body && REFUSAL[body.code] === response.status;
  // Whoever is asked to come back must be told when.
  const isPolite = response.status === 409 || Number(response.headers["Retry-After"]) > 0;
  return isKnown && isPolite ? { word: body.code, isFinal } : { isFinal };
}

function parse(body) {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
