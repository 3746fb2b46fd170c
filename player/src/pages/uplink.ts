/** Whether this browser should send to other viewers: not at somebody's expense. Pure. */

/** What is looked at of `navigator`; not every browser has all of it. */
export interface Surroundings {
  userAgent: string;
  userAgentData?: { mobile?: boolean };
  connection?: { type?: string; saveData?: boolean };
}

/**
 * Returns false on mobile data, where data is to be saved, and on a phone that does not say what it
 * is connected by.
 */
export function mayUpload({ userAgent, userAgentData, connection }: Surroundings): boolean {
  if (connection?.saveData === true || connection?.type === "cellular") return false;
  const phone = userAgentData?.mobile ?? /\bMobi/.test(userAgent);
  return !phone || connection?.type !== undefined;
}
