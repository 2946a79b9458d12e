// Every request that a load script makes, once. Each carries the tag `name`, so that a metric can be asked for by request, and
// a trace of its own.
import exec from "k6/execution";
import http from "k6/http";
import { Counter } from "k6/metrics";
import { newTraceparent } from "./trace.js";

/** Base URL of the system under load, without a slash at its end. */
export const API = (__ENV.API || "http://127.0.0.1:3000").replace(/\/+$/, "");

const LOOPBACK = /^https?:\/\/(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?(\/|$)/;

const anyStatus = http.expectedStatuses({ min: 100, max: 599 });
/** The statuses that are answers to a request, where they are others than 200. Anything else counts in `http_req_failed`. */
const ANSWERS = { ask: [200, 201, 202, 409], take: [200, 201], poll: [200, 404], send: [202], leave: [204] };
const answersTo = (name) => ANSWERS[name] ?? [200];

function params(name, token, { headers: more = {}, responseCallback } = {}) {
  const headers = { "content-type": "application/json", traceparent: newTraceparent(), ...more };
  if (token) headers.authorization = `Bearer ${token}`;
  const expected = responseCallback ?? http.expectedStatuses(...answersTo(name));
  return { headers, tags: { name }, timeout: "10s", responseCallback: expected };
}

/** Of so many requests one may fail. */
const FAIL_ONE_IN = 100;
/**
 * Failures beyond that share, by request. A share alone would be broken by a single 503, which is a documented answer, wherever
 * few are asked.
 */
const overshoot = new Counter("failures_beyond_share");

/** Counts the answer to a request of the load. */
function counted(name, response) {
  const isAnswer = answersTo(name).includes(response.status);
  overshoot.add((isAnswer ? 0 : 1) - 1 / FAIL_ONE_IN, { name });
  return response;
}

/** Stops the whole run, before any load, where the target is not ours to load or is not up. For `setup()`. */
export function requireTarget() {
  if (!LOOPBACK.test(API) && __ENV.ALLOW_REMOTE !== "1") {
    exec.test.abort(`${API} is not on this machine. If you may put load on it, say so: ALLOW_REMOTE=1`);
  }
  const { status, error, body } = http.get(`${API}/health`, params("health", "", { responseCallback: anyStatus }));
  if (status === 200) return;
  const saw = status === 0 ? error : `${status} ${body}`;
  exec.test.abort(
    `${API}/health did not answer 200 (${saw}). Start the stack (npm start), or set API to where it runs.`,
  );
}

/** The answer of a request without which there is nothing to measure; else the run ends. For `setup()`. */
function need(response, statuses, what) {
  if (statuses.includes(response.status)) return response;
  exec.test.abort(`${what}: ${response.status} ${response.body || response.error}`);
  return response;
}

/**
 * Tokens of the embedded stack's own issuer, for at most 10,000 subjects.
 *
 * @returns {string[]} In the order of the subjects.
 */
export function mintTokens(subjects, scope) {
  const body = JSON.stringify(scope ? { subjects, scope } : { subjects });
  const response = http.post(`${API}/_local/tokens`, body, params("tokens"));
  if (response.status !== 200) throw new Error(`no tokens: ${response.status} ${response.body || response.error}`);
  const { tokens } = response.json();
  return subjects.map((subject) => tokens[subject]);
}

// ── Campaigns and coupons ───────────────────────────────────────────────────────────────────────────────────────────────

/** Creates a campaign that opened a minute ago and closes in an hour. */
export function createCampaign(operatorToken, { campaignId, ...rules }) {
  const at = (minutes) => new Date(Date.now() + minutes * 60_000).toISOString();
  const campaign = { campaignId, name: campaignId, opensAt: at(-1), closesAt: at(60), ...rules };
  const expected = { responseCallback: anyStatus };
  const response = http.post(`${API}/campaigns`, JSON.stringify(campaign), params("create", operatorToken, expected));
  need(response, [201], "the campaign was not created");
}

/** @returns The campaign as anyone sees it, or undefined when it could not be read. */
export function readCampaign(campaignId) {
  return documentOf(http.get(`${API}/campaigns/${campaignId}`, params("campaign")));
}

/** What the verifier says of a campaign, or undefined when it cannot say anything now. */
export function verifyCampaign(operatorToken, campaignId) {
  const url = `${API}/ops/campaigns/${campaignId}/verify`;
  return documentOf(http.post(url, null, params("verify", operatorToken, { responseCallback: anyStatus })));
}

const askUrl = (campaignId) => `${API}/campaigns/${campaignId}/coupons`;
const askParams = (token, { key, pass } = {}) => {
  const headers = { ...(key ? { "idempotency-key": key } : {}), ...(pass ? { "waiting-room-pass": pass } : {}) };
  return params("ask", token, { headers });
};

/** One user asks for a coupon; `more` may hold a `key` (Idempotency-Key) and a `pass` of the waiting room. */
export function askForCoupon(campaignId, token, more) {
  return counted("ask", http.post(askUrl(campaignId), null, askParams(token, more)));
}

/** Several asks at once. @param asks `{ token, key? }` of each */
export function askAtOnce(campaignId, asks) {
  const requests = asks.map(({ token, key }) => ["POST", askUrl(campaignId), null, askParams(token, { key })]);
  return http.batch(requests).map((response) => counted("ask", response));
}

const mineUrl = (campaignId) => `${API}/campaigns/${campaignId}/coupons/me`;

/** A user looks up what they have of a campaign. */
export function lookUp(campaignId, token) {
  return counted("look-up", http.get(mineUrl(campaignId), params("look-up", token)));
}

/** @returns For each token all coupons that the user has; undefined where that could not be read. */
export function readCoupons(campaignId, tokens) {
  const requests = tokens.map((token) => [
    ...["GET", mineUrl(campaignId), null],
    params("coupons", token, { responseCallback: anyStatus }),
  ]);
  return http.batch(requests).map((response) => {
    if (response.status === 404) return [];
    return documentOf(response)?.items;
  });
}

export function cancelCoupon(couponId, token) {
  return counted("cancel", http.post(`${API}/coupons/${couponId}/cancel`, null, params("cancel", token)));
}

export function useCoupon(couponId, token, orderId) {
  const body = JSON.stringify({ orderId });
  return counted("use", http.post(`${API}/coupons/${couponId}/use`, body, params("use", token)));
}

// ── Waiting rooms ───────────────────────────────────────────────────────────────────────────────────────────────────────

export function putRoom(operatorToken, roomId, rules) {
  const expected = { responseCallback: anyStatus };
  const response = http.put(`${API}/rooms/${roomId}`, JSON.stringify(rules), params("put", operatorToken, expected));
  need(response, [200], "the waiting room was not made");
}

/** @returns The room as anyone sees it, or undefined when it could not be read. */
export function readRoom(roomId) {
  return documentOf(counted("room", http.get(`${API}/rooms/${roomId}`, params("room"))));
}

const ticketUrl = (roomId) => `${API}/rooms/${roomId}/tickets`;
const shown = (ticket) => ({ headers: ticket ? { "waiting-room-ticket": ticket } : {} });

export function takeTicket(roomId, token, ticket) {
  return counted("take", http.post(ticketUrl(roomId), null, params("take", token, shown(ticket))));
}

export function pollTicket(roomId, token, ticket) {
  return counted("poll", http.get(`${ticketUrl(roomId)}/me`, params("poll", token, shown(ticket))));
}

export function leaveRoom(roomId, token) {
  return counted("leave", http.del(`${ticketUrl(roomId)}/me`, null, params("leave", token)));
}

// ── Rankings ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export function putBoard(operatorToken, boardId, rules) {
  const expected = { responseCallback: anyStatus };
  const response = http.put(`${API}/boards/${boardId}`, JSON.stringify(rules), params("put", operatorToken, expected));
  need(response, [200], "the board was not made");
}

/** A shop sends what happened; the same key again counts once. */
export function sendEvents(token, key, events) {
  const more = { headers: { "idempotency-key": key } };
  return counted("send", http.post(`${API}/events`, JSON.stringify({ events }), params("send", token, more)));
}

/** A page of a board's first places. @param name the request's tag: `top` or `deep` */
export function readTop(boardId, { window, limit, cursor, name = "top" }) {
  const query = `window=${window}&limit=${limit}${cursor ? `&cursor=${cursor}` : ""}`;
  return counted(name, http.get(`${API}/boards/${boardId}/top?${query}`, params(name)));
}

const productUrl = (boardId, productId, window) => `${API}/boards/${boardId}/products/${productId}?window=${window}`;

export function readProduct(boardId, productId, window) {
  return counted("product", http.get(productUrl(boardId, productId, window), params("product")));
}

/** @returns For each product its document, or undefined. */
export function readProducts(boardId, productIds, window) {
  const requests = productIds.map((id) => ["GET", productUrl(boardId, id, window), null, params("products")]);
  return http.batch(requests).map(documentOf);
}

/** How the rankings are, for the operator; undefined when that could not be read. */
export function readRankings(operatorToken) {
  return documentOf(http.get(`${API}/ops/rankings`, params("rankings", operatorToken)));
}

// ── Answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The document of a 200, or undefined. */
export function documentOf(response) {
  return response.status === 200 ? parse(response.body) : undefined;
}

export function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
