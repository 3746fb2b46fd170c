/** A viewer's preferences on sharing, stored in the browser. */

export interface Preferences {
  /** whether to share with other viewers; null: not decided yet */
  share: boolean | null;
  /** upload also on mobile data, and on phones with an unknown connection type */
  uploadOnMobile: boolean;
  /** upload cap, Mbit/s; null: no limit */
  uploadLimitMbps: number | null;
  /** the note about sharing has been read */
  noted: boolean;
}

export const DEFAULTS: Preferences = {
  share: null,
  uploadOnMobile: false,
  uploadLimitMbps: null,
  noted: false,
};

const KEY = "shoal.preferences";

/** Parses stored preferences; missing and invalid values get their defaults. */
export function parsePreferences(text: string | null): Preferences {
  let found: Record<string, unknown> = {};
  try {
    const value: unknown = JSON.parse(text ?? "{}");
    if (typeof value === "object" && value !== null) found = value as Record<string, unknown>;
  } catch {
    // as if nothing had been stored
  }
  const { share, uploadOnMobile, uploadLimitMbps, noted } = found;
  return {
    share: typeof share === "boolean" ? share : null,
    uploadOnMobile: uploadOnMobile === true,
    uploadLimitMbps:
      typeof uploadLimitMbps === "number" && uploadLimitMbps > 0 && uploadLimitMbps < Infinity
        ? uploadLimitMbps
        : null,
    noted: noted === true,
  };
}

/** This browser's preferences; dispatches `change` when they change here or in another tab. */
export class PreferenceStore extends EventTarget {
  /** whether they outlast the page: browsers may refuse storage, as in private windows */
  readonly remembered: boolean;
  #storage: Storage | null;
  #now: Preferences;

  /** @param storage returns the browser's storage, or throws if access is refused */
  constructor(storage: () => Storage = () => localStorage) {
    super();
    this.#storage = usable(storage);
    this.remembered = this.#storage !== null;
    this.#now = parsePreferences(this.#storage?.getItem(KEY) ?? null);
  }

  get now(): Readonly<Preferences> {
    return this.#now;
  }

  set(change: Partial<Preferences>): void {
    this.#now = { ...this.#now, ...change };
    try {
      this.#storage?.setItem(KEY, JSON.stringify(this.#now));
    } catch {
      // full, or no longer allowed: the change applies to this page only
    }
    this.dispatchEvent(new Event("change"));
  }

  /** Handles a storage event: another tab has changed something. */
  storageChanged(key: string | null): void {
    if (key !== KEY && key !== null) return;
    this.#now = parsePreferences(this.#storage?.getItem(KEY) ?? null);
    this.dispatchEvent(new Event("change"));
  }
}

function usable(storage: () => Storage): Storage | null {
  try {
    const found = storage();
    const probe = `${KEY}.probe`;
    found.setItem(probe, "1");
    found.removeItem(probe);
    return found;
  } catch {
    return null;
  }
}
