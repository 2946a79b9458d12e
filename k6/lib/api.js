// Every request that a load script makes, once. Each carries the tag `name`, so that a metric can be asked for by request.
import exec from "k6/execution";
import http from "k6/http";

/** Base URL of the system under load, without a slash at its end. */
export const API = (__ENV.API || "http://127.0.0.1:3000").replace(/\/+$/, "");

const LOOPBACK = /^https?:\/\/(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?(\/|$)/;

/** Statuses that are answers; anything else counts in `http_req_failed`. */
http.setResponseCallback(http.expectedStatuses(200, 201, 202, 409));
const anyStatus = http.expectedStatuses({ min: 100, max: 599 });

function params(name, token, more = {}) {
  const headers = { "content-type": "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  return { headers, tags: { name }, timeout: "10s", ...more };
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

/** Creates a campaign that opened a minute ago and closes in an hour. */
export function createCampaign(operatorToken, campaignId, stock) {
  const at = (minutes) => new Date(Date.now() + minutes * 60_000).toISOString();
  const campaign = { campaignId, name: campaignId, stock, opensAt: at(-1), closesAt: at(60) };
  const response = http.post(`${API}/campaigns`, JSON.stringify(campaign), params("create", operatorToken));
  if (response.status === 201) return;
  exec.test.abort(`the campaign was not created: ${response.status} ${response.body || response.error}`);
}

/** @returns The campaign as anyone sees it, or undefined when it could not be read. */
export function readCampaign(campaignId) {
  const response = http.get(`${API}/campaigns/${campaignId}`, params("campaign"));
  return response.status === 200 ? response.json() : undefined;
}

/** One user asks for a coupon. */
export function askForCoupon(campaignId, token) {
  return http.post(`${API}/campaigns/${campaignId}/coupons`, null, params("ask", token));
}

/** @returns For each token the user's first coupon, or undefined. */
export function readCoupons(campaignId, tokens) {
  const url = `${API}/campaigns/${campaignId}/coupons/me`;
  const requests = tokens.map((token) => ["GET", url, null, params("coupons", token, { responseCallback: anyStatus })]);
  return http.batch(requests).map((response) => (response.status === 200 ? response.json("items.0") : undefined));
}
