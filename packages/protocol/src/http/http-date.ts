/**
 * HTTP dates (RFC 9110 5.6.7): the three forms, names and GMT in any case, nothing else.
 * `Date.parse` accepts much more than HTTP does; a date that HTTP does not know is no date.
 */
const months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const longDays = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

const imf = /^([a-z]{3}), ([0-9]{2}) ([a-z]{3}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) gmt$/;
const rfc850 = /^([a-z]{6,9}), ([0-9]{2})-([a-z]{3})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) gmt$/;
const asctime = /^([a-z]{3}) ([a-z]{3}) ([0-9]{2}| [0-9]) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([0-9]{4})$/;

/** Epoch ms, or null. `now` decides the century of a two-digit year: at most 50 years ahead. */
export function parseHttpDate(text: string, now: number): number | null {
  const lower = text.toLowerCase();
  let found = imf.exec(lower);
  if (found !== null) {
    const [, day = "", date, month, year, h, m, s] = found;
    return days.includes(day) ? epoch(Number(year), month, date, h, m, s) : null;
  }
  found = rfc850.exec(lower);
  if (found !== null) {
    const [, day = "", date, month, year, h, m, s] = found;
    if (!longDays.includes(day)) return null;
    const thisYear = new Date(now).getUTCFullYear();
    const full = thisYear - (thisYear % 100) + Number(year);
    const at = epoch(full, month, date, h, m, s);
    return at !== null && at > new Date(now).setUTCFullYear(thisYear + 50)
      ? epoch(full - 100, month, date, h, m, s)
      : at;
  }
  found = asctime.exec(lower);
  if (found !== null) {
    const [, day = "", month, date, h, m, s, year] = found;
    return days.includes(day) ? epoch(Number(year), month, date, h, m, s) : null;
  }
  return null;
}

function epoch(year: number, month = "", ...[date, h, m, s]: readonly (string | undefined)[]): number | null {
  const monthIndex = months.indexOf(month);
  const [day, hour, minute, second] = [Number(date), Number(h), Number(m), Number(s)];
  if (monthIndex === -1 || day < 1 || hour > 23 || minute > 59 || second > 60) return null;
  const time = new Date(0);
  time.setUTCFullYear(year, monthIndex, day);
  if (time.getUTCMonth() !== monthIndex) return null; // 31 April
  return time.setUTCHours(hour, minute, Math.min(second, 59)); // a leap second is the second before it
}

/** IMF-fixdate, the only form a sender may write. */
export function formatHttpDate(epoch: number): string {
  return new Date(epoch).toUTCString();
}
