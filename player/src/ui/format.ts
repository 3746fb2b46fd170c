/** Formats numbers and times for people. Pure. */

/** Stands for an unknown value. */
export const UNKNOWN = "–";

type Known = number | null | undefined;

const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** Formats bytes in decimal units, as stores bill them: 999 B, 1.2 kB, 12 MB. */
export function bytes(count: Known): string {
  if (count === null || count === undefined) return UNKNOWN;
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 9.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${BYTE_UNITS[unit] ?? ""}`;
}

/** Formats bit/s as Mbit/s, or as kbit/s below 0.1 Mbit/s. */
export function speed(bps: number): string {
  if (bps < 50) return "0";
  return bps < 99_500 ? `${(bps / 1e3).toFixed(0)} kbit/s` : `${(bps / 1e6).toFixed(1)} Mbit/s`;
}

export function seconds(value: Known): string {
  return value === null || value === undefined ? UNKNOWN : `${value.toFixed(1)} s`;
}

/** Formats a fraction as whole percent, rounded down so as not to overstate it. */
export function percent(part: Known): string {
  return part === null || part === undefined ? UNKNOWN : `${Math.floor(part * 100)}%`;
}

/** Formats seconds behind live for the control bar: −0:42, −1:02:03. */
export function liveOffset(s: number): string {
  const totalS = Math.floor(s);
  const [h, m] = [Math.floor(totalS / 3600), Math.floor(totalS / 60) % 60];
  const two = (n: number): string => String(n).padStart(2, "0");
  return `−${h > 0 ? `${h}:${two(m)}` : m}:${two(totalS % 60)}`;
}

/** Formats a past time: "today at 20:15", "on Sunday, 22 November at 20:15". */
export function moment(date: Date, now: Date, locale?: string): string {
  const time = date.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" });
  if (date.toDateString() === now.toDateString()) return `today at ${time}`;
  const day = date.toLocaleDateString(locale, {
    ...{ weekday: "long", day: "numeric", month: "long" },
    ...(date.getFullYear() !== now.getFullYear() && { year: "numeric" }),
  });
  return `on ${day} at ${time}`;
}
