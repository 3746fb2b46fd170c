/** Chromium's permission to reach devices on the viewer's own network, where the browser has one. */

/** Newer names first. */
const NAMES = ["local-network", "local-network-access"];

/** Returns null where the browser knows of no such permission. */
export async function queryLocalNetwork(): Promise<PermissionStatus | null> {
  for (const name of NAMES) {
    try {
      return await navigator.permissions.query({ name: name as PermissionName });
    } catch {
      // not known by this name
    }
  }
  return null;
}
