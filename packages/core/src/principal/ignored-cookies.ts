import type { CredentialRules } from "./credential.ts";

/**
 * Cookies of analytics, advertising, monitoring and load balancers. They change with every event or answer and tell the
 * service nothing about who asks, so an honest retry carries others than the first attempt.
 */
export const usualIgnoredCookies: readonly string[] = [
  "_ga",
  "_ga_*",
  "_gid",
  "_gat*",
  "_gac_*",
  "_gcl_*",
  "_dc_gtm_*",
  "__utm*",
  "__gads",
  "__gpi",
  "_fbp",
  "_fbc",
  "_hj*",
  "_pk_*",
  "__hs*",
  "hubspotutk",
  "ajs_*",
  "amplitude_*",
  "AMP_*",
  "mp_*",
  "ph_*",
  "_clck",
  "_clsk",
  "_uetsid",
  "_uetvid",
  "_ttp",
  "_scid*",
  "_rdt_uuid",
  "_ym_*",
  "_vwo*",
  "_vis_opt_*",
  "optimizelyEndUserId",
  "AMCV_*",
  "_mkto_trk",
  "_dd_s",
  "__cf_bm",
  "AWSALB*",
];

/** What a service's credential is unless its configuration says otherwise. */
export const usualCredential: CredentialRules = {
  credential: ["authorization", "cookie"],
  ignoredCookies: usualIgnoredCookies,
};
