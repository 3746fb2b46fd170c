/** Formats numbers for people; unknown ones are a dash. Pure. */

import { UNKNOWN } from "../ui/format";

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? UNKNOWN : value.toLocaleString("en");
}

export function copies(value: number | null | undefined): string {
  return value === null || value === undefined ? UNKNOWN : value.toFixed(1);
}

export function dollars(value: number | null | undefined): string {
  if (value === null || value === undefined) return UNKNOWN;
  return value > 0 && value < 0.01 ? "< $0.01" : `$${value.toFixed(2)}`;
}

/** Formats a Unix time as the local time of day. */
export function clock(unixS: number, withSeconds = false): string {
  const two = (value: number): string => value.toString().padStart(2, "0");
  const at = new Date(unixS * 1000);
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return withSeconds ? `${time}:${two(at.getSeconds())}` : time;
}

/** Formats how long ago an ISO 8601 time was. */
export function ago(iso: string, nowMs: number): string {
  const s = Math.max(0, Math.round((nowMs - Date.parse(iso)) / 1000));
  if (Number.isNaN(s)) return iso;
  if (s < 90) return `${s} s ago`;
  if (s < 90 * 60) return `${Math.round(s / 60)} min ago`;
  return s < 36 * 3600 ? `${Math.round(s / 3600)} h ago` : `${Math.round(s / 86_400)} days ago`;
}
