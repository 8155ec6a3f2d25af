/**
 * Signature schemes sign each attempt anew, so their fields are never twice the same: AWS SigV4, HMAC schemes, HTTP message
 * signatures (RFC 9421), OAuth 1 (RFC 5849), Digest (RFC 7616). The id of the key within them stays. It proves nothing: it
 * tells attempts of one caller from another's, no more, so only a route's explicit choice compares it.
 */
const parameter = (names: string): RegExp =>
  new RegExp(`(?:^|[\\s,;&])(?:${names})\\s*=\\s*(?:"([^"]*)"|([^\\s,;&"]+))`, "i");

const credential = parameter("credential");
const keyId = parameter("keyid|key_id|key-id");
const consumer = parameter("oauth_consumer_key");
const token = parameter("oauth_token");
const username = parameter("username");
const id = parameter("id");

/** The id of the key in a field's value; the whole value where it holds none. */
export function keyIdIn(value: string): string {
  const found =
    valueOf(value, credential)?.split("/")[0] ??
    valueOf(value, keyId) ??
    joined(valueOf(value, consumer), valueOf(value, token)) ??
    valueOf(value, username) ??
    valueOf(value, id) ??
    awsVersion2(value);
  return found === undefined || found === "" ? value : `key-id:${found}`;
}

function valueOf(text: string, pattern: RegExp): string | undefined {
  const found = pattern.exec(text);
  return found === null ? undefined : (found[1] ?? found[2]);
}

function joined(consumerKey: string | undefined, userToken: string | undefined): string | undefined {
  return consumerKey === undefined ? undefined : JSON.stringify([consumerKey, userToken ?? null]);
}

/** "AWS <key id>:<signature>", and the schemes that are made after it. */
function awsVersion2(value: string): string | undefined {
  return /^(?:AWS|HMAC|[A-Za-z0-9-]*HMAC[A-Za-z0-9-]*) +([^\s:,="]+):[^\s]+$/i.exec(value)?.[1];
}
