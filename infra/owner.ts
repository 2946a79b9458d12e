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
    expectedPeakPerSecond: count("FIRSTCOME_EXPECTED_PEAK_PER_SECOND"),
    expectedStock: count("FIRSTCOME_EXPECTED_STOCK"),
    expectedWatchers: count("FIRSTCOME_EXPECTED_WATCHERS"),
    raisedGatewayPerSecond: count("FIRSTCOME_RAISED_GATEWAY_PER_SECOND"),
    raisedLambdaAtOnce: count("FIRSTCOME_RAISED_LAMBDA_AT_ONCE"),
  };
}
