import { fromEnv } from "@aws-sdk/credential-provider-env";

/**
 * Stands in for the AWS SDK's whole chain of credential sources in the Lambda bundles. Lambda gives a function its role's
 * credentials in the environment; the other sources (profiles, single sign-on, metadata servers, and the clients that those
 * need) are never reached there and would be a sixth of the issuing function.
 */
export const defaultProvider = fromEnv;
