/**
 * Secrets, set with `sst secret set <Name>` before the first deployment; without them it does not begin. How to make and how to
 * change them: docs/deploy.md.
 */
export const secrets = {
  /** Signs coupon ids, so that none can be guessed from another. Must stay the same for as long as coupons are valid. */
  CouponSecret: new sst.Secret("CouponSecret"),
  /** Keys of waiting rooms' tickets and passes: `name:key`, several with commas, the first signs. */
  RoomKeys: new sst.Secret("RoomKeys"),
};
