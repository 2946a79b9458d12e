/**
 * What only the owner of an account can say. It comes from the environment, which SST fills from `.env.<stage>`, so that nobody
 * has to change a file of this repository to deploy it.
 */
export interface Owner {
  /** Who signs the shoppers' tokens: an OpenID Connect issuer, `https://…`. API Gateway reads its keys there. */
  readonly issuer: string;
  /** The `aud` (or `client_id`) that tokens must carry; one of these is enough. */
  readonly audiences: readonly string[];
  /** Where alarms go. */
  readonly alarmEmail: string;
  /** Origins whose pages may call the API, `https://shop.example.com`. None: no page of another origin can. */
  readonly origins: readonly string[];
  readonly region: string;
  /**
   * The console's own client at the issuer: public, authorization code with PKCE, redirected to `<edge>/console/`. Empty: the
   * console asks for a token of an operator instead.
   */
  readonly consoleClientId: string;
  /** Origins that the console asks while it signs in, beside the issuer's: where its token endpoint has another one. */
  readonly consoleConnects: readonly string[];
  /** A domain of one's own for the edge. Empty: the one that CloudFront makes, which cannot refuse old versions of TLS. */
  readonly domain: string;
  /** The domain's certificate, of ACM in us-east-1, where its DNS is not in this account's Route 53. Empty: one is made. */
  readonly certificate: string;
  /** The event that the deployment must stand, for the capacity gate. Zero where it is not said. */
  readonly expectedPeakPerSecond: number;
  readonly expectedStock: number;
  readonly expectedWatchers: number;
  /** Quotas that AWS has raised for this account. Zero where it has not. */
  readonly raisedGatewayPerSecond: number;
  readonly raisedLambdaAtOnce: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

export function ownerOf(environment: Environment): Owner {
  const text = (name: string) => environment[name]?.trim() ?? "";
  const list = (name: string) =>
    text(name)
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "");
  const count = (name: string) => {
    const value = Number(text(name).replaceAll("_", ""));
    if (Number.isInteger(value) && value >= 0) return value;
    throw new Error(`${name} takes a whole number, not "${text(name)}".`);
  };
  return {
    issuer: text("FIRSTCOME_TOKEN_ISSUER"),
    audiences: list("FIRSTCOME_TOKEN_AUDIENCES"),
    alarmEmail: text("FIRSTCOME_ALARM_EMAIL"),
    origins: list("FIRSTCOME_ORIGINS"),
    region: text("FIRSTCOME_REGION") || "ap-northeast-2",
    consoleClientId: text("FIRSTCOME_CONSOLE_CLIENT_ID"),
    consoleConnects: list("FIRSTCOME_CONSOLE_CONNECTS"),
    domain: text("FIRSTCOME_DOMAIN"),
    certificate: text("FIRSTCOME_CERTIFICATE"),
    expectedPeakPerSecond: count("FIRSTCOME_EXPECTED_PEAK_PER_SECOND"),
    expectedStock: count("FIRSTCOME_EXPECTED_STOCK"),
    expectedWatchers: count("FIRSTCOME_EXPECTED_WATCHERS"),
    raisedGatewayPerSecond: count("FIRSTCOME_RAISED_GATEWAY_PER_SECOND"),
    raisedLambdaAtOnce: count("FIRSTCOME_RAISED_LAMBDA_AT_ONCE"),
  };
}
