/** Chromium's permission to reach devices on the viewer's local network. */

/** The permission's names, the newest first. */
const NAMES = ["local-network", "local-network-access"];

/** Returns the permission's status; null if the browser has no such permission. */
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
