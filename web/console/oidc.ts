import {
  AuthorizationResponseError,
  type AuthorizationServer,
  allowInsecureRequests,
  authorizationCodeGrantRequest,
  type Client,
  calculatePKCECodeChallenge,
  discoveryRequest,
  generateRandomCodeVerifier,
  generateRandomNonce,
  generateRandomState,
  None,
  OperationProcessingError,
  processAuthorizationCodeResponse,
  processDiscoveryResponse,
  ResponseBodyError,
  UnsupportedOperationError,
  validateAuthResponse,
} from "oauth4webapi";
import { type Issuer, SignInFault } from "./issuer.ts";
import { forget, keep, kept } from "./remembered.ts";

/**
 * Signs an operator in at the OIDC issuer whose tokens the API takes: authorization code with PKCE, as a public client. Loaded when
 * somebody signs in. The issuer must know the console's address as a redirect URI, and let its origin ask for discovery and tokens.
 */

/** What is kept in the tab while the person is at the issuer. */
interface Pending {
  readonly verifier: string;
  readonly state: string;
  readonly nonce: string;
  /** Where in the console the person was. */
  readonly place: string;
}

const PENDING = "sign-in";
const PATIENCE_MS = 10_000;

/** Where the issuer sends people back to: the console itself, without what is behind it. */
const redirectUri = () => new URL("./", location.href).href;

/** Plain HTTP is for an issuer on this machine. */
const isHere = (url: string) => /^http:\/\/(127\.0\.0\.1|localhost|\[::1\])[:/]/.test(url);
const requestOptions = ({ issuer }: Issuer) => ({
  signal: AbortSignal.timeout(PATIENCE_MS),
  ...(isHere(issuer) ? { [allowInsecureRequests]: true } : {}),
});

/**
 * Sends the person to the issuer. The page is left; what comes back is for `finish`.
 *
 * @throws {SignInFault}
 */
export async function begin(at: Issuer): Promise<void> {
  const server = await asFault(() => discover(at));
  if (server.authorization_endpoint === undefined) throw new SignInFault("unfit", "no authorization_endpoint");
  const pending: Pending = {
    verifier: generateRandomCodeVerifier(),
    state: generateRandomState(),
    nonce: generateRandomNonce(),
    place: location.hash,
  };
  if (!keep(PENDING, JSON.stringify(pending))) throw new SignInFault("forgetful", "no sessionStorage");
  const url = new URL(server.authorization_endpoint);
  const query = {
    response_type: "code",
    client_id: at.clientId,
    redirect_uri: redirectUri(),
    scope: at.scope,
    state: pending.state,
    code_challenge: await calculatePKCECodeChallenge(pending.verifier),
    code_challenge_method: "S256",
    ...(isOpenId(at) ? { nonce: pending.nonce } : {}),
  };
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  location.assign(url);
}

/**
 * Exchanges the issuer's answer in the page's address for a token, and takes the answer out of the address.
 *
 * @returns the access token, and where in the console the person was
 * @throws {SignInFault}
 */
export async function finish(at: Issuer): Promise<{ token: string; place: string }> {
  const answer = new URLSearchParams(location.search);
  const begun = kept(PENDING);
  // A code is good for one exchange: neither a reload nor "back" may try it again.
  forget(PENDING);
  history.replaceState(null, "", redirectUri());
  if (begun === undefined) throw new SignInFault("foreign", "no sign-in was begun in this tab");
  const pending = JSON.parse(begun) as Pending;
  return asFault(async () => {
    const server = await discover(at);
    const client: Client = { client_id: at.clientId };
    if (answer.get("state") !== pending.state) throw new SignInFault("foreign", "the state is another one");
    const parameters = validateAuthResponse(server, client, answer, pending.state);
    const options = requestOptions(at);
    const response = await authorizationCodeGrantRequest(
      server,
      client,
      None(),
      parameters,
      redirectUri(),
      pending.verifier,
      options,
    );
    const expected = isOpenId(at) ? { expectedNonce: pending.nonce, requireIdToken: true } : {};
    const { access_token: token } = await processAuthorizationCodeResponse(server, client, response, expected);
    return { token, place: pending.place };
  });
}

async function discover(at: Issuer): Promise<AuthorizationServer> {
  const issuer = new URL(at.issuer);
  return processDiscoveryResponse(issuer, await discoveryRequest(issuer, requestOptions(at)));
}

const isOpenId = ({ scope }: Issuer) => scope.split(" ").includes("openid");

/** Tells the ways in which it can fail apart, for whoever reads what went wrong. */
async function asFault<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof SignInFault) throw error;
    if (error instanceof AuthorizationResponseError || error instanceof ResponseBodyError) {
      throw new SignInFault("refused", error.error_description ?? error.error, error);
    }
    const detail = error instanceof Error ? error.message : String(error);
    const isUnfit = error instanceof OperationProcessingError || error instanceof UnsupportedOperationError;
    throw new SignInFault(isUnfit ? "unfit" : "unreachable", detail, error);
  }
}
