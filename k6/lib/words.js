// The API's words, read from its answers. The same words as in core/words.ts, which a load script must not import.
import { parse } from "./api.js";
import { counterOf, metricOf, rule } from "./measures.js";

const SUCCESS = { 200: "replayed", 201: "issued", 202: "accepted" };

/** Refusals that whoever asks for a coupon may meet, with the status that each must have. */
const REFUSAL = {
  ...{ "sold-out": 409, "limit-reached": 409, throttled: 429 },
  ...{ paused: 503, recovering: 503, unavailable: 503 },
};

/** Of those who may try again: they must be told when. */
const isPolite = ({ status, headers }) => status === 409 || Number(headers["Retry-After"]) > 0;

/**
 * Reads the answer to a request for a coupon.
 *
 * @returns {{ word?: string, coupon?: object, isFinal: boolean }} No word: not an answer that the contract allows here.
 *   Not final: whether there is a coupon cannot be told from it, as after a timeout or a 503, or who asks should come again.
 */
export function readAnswer(response) {
  const isFinal = response.status > 0 && response.status < 500 && response.status !== 429;
  const body = parse(response.body);
  const success = SUCCESS[response.status];
  if (success) return body?.couponId && body.ticket > 0 ? { word: success, coupon: body, isFinal } : { isFinal };
  const isKnown = body && REFUSAL[body.code] === response.status;
  return isKnown && isPolite(response) ? { word: body.code, isFinal } : { isFinal };
}

/** Whether this is one of the answers that any request may get while a store is away. */
function isPassing(response) {
  const code = parse(response.body)?.code;
  return (
    ["throttled", "recovering", "unavailable"].includes(code) && REFUSAL[code] === response.status && isPolite(response)
  );
}

/**
 * Counts the words of a part, and what is no word of the contract.
 *
 * @param words All that may be said here; any other is unexpected.
 */
export function tallyOf(part, words) {
  const answers = Object.fromEntries(words.map((word) => [word, counterOf(part, `answers_${word}`)]));
  const unexpected = counterOf(part, "unexpected_answers");
  let hasComplained = false;
  /** A VU complains once: a broken target breaks every answer. */
  const complain = (response) => {
    // No answer at all breaks no contract: k6 counts it as a failed request.
    if (response.status === 0) return;
    unexpected.add(1);
    const { method, url } = response.request;
    if (!hasComplained) console.error(`unexpected: ${response.status} ${response.body} to ${method} ${url}`);
    hasComplained = true;
  };
  return {
    words,
    /** Reads the answer to a request for a coupon and counts its word. */
    count(response) {
      const answer = readAnswer(response);
      if (answers[answer.word]) answers[answer.word].add(1);
      else complain(response);
      return answer;
    },
    /** The document of a success. Anything else counts as unexpected unless a store is away. */
    expect(response, statuses = [200]) {
      if (statuses.includes(response.status)) return parse(response.body) ?? {};
      if (!isPassing(response)) complain(response);
      return undefined;
    },
    rules: [
      rule(
        metricOf(part, "unexpected_answers"),
        "count==0",
        "answers outside the contract (5xx other than a 503 with Retry-After, …)",
      ),
    ],
  };
}
